#!/usr/bin/env bash
# Runs every benchmark in turn, with the given options (--runs N, --quick); each prints one JSON line a figure.
# See bench/README.md. What begins with an underscore, and the harness, is shared by them and measures nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
for script in bench/[a-z]*.py; do
    [ "$script" = bench/harness.py ] && continue
    echo "# $script" >&2
    .venv/bin/python "$script" "$@"
done
