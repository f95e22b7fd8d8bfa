#!/usr/bin/env bash
# Install the JavaScript clients that the server is tested with, and Node where Debian can bring it.
# usage: scripts/clients.sh FOLDER   (that holds package.json and package-lock.json)
set -euo pipefail
cd "$1"
export npm_config_update_notifier=false

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if ! command -v npm >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "There is no npm: tests with JavaScript clients are skipped (on macOS: brew install node)." >&2
        exit 0
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
fi
npm ci --no-fund --no-audit --silent
