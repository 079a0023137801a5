#!/usr/bin/env bash
# Installs what the clients in examples/ run on: npm packages, and from Debian a browser, mono and a C compiler. strace
# shows that nothing is sent.
# What cannot be installed here is named, and its tests are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v node > /dev/null && command -v npm > /dev/null || missing+=(nodejs npm)
command -v chromium > /dev/null || missing+=(chromium)
command -v mono > /dev/null && command -v mcs > /dev/null || missing+=(mono-runtime mono-mcs)
command -v strace > /dev/null || missing+=(strace)
command -v cc > /dev/null || missing+=(gcc libc6-dev)
if [ "${#missing[@]}" -gt 0 ] && command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
  (apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}") > /dev/null \
    || echo "not installed: ${missing[*]}"
elif [ "${#missing[@]}" -gt 0 ]; then
  echo "not here, and not to be installed without apt-get and root: ${missing[*]}"
fi

# Without scripts: that of onnxruntime-node would download libraries for CUDA, which nothing here needs.
if command -v npm > /dev/null && [ ! examples/node_modules/.package-lock.json -nt examples/package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --silent --prefix examples \
    || { rm -rf examples/node_modules; echo "not installed: the npm packages of examples/"; }
fi
exit 0
