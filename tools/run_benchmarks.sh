#!/usr/bin/env bash
# Runs every benchmark three times in turn; each prints one JSON line a figure. See bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
for round in 1 2 3; do
    for script in bench/[a-z]*.py; do
        echo "# round $round: $script" >&2
        .venv/bin/python "$script"
    done
done
