#!/usr/bin/env bash
# Make a virtual environment and install hark into it, with whatever the machine still lacks.
# usage: scripts/setup.sh FOLDER [PIP ARGUMENT ...]   e.g. scripts/setup.sh .venv .
# PYTHON=... chooses the interpreter.
set -euo pipefail
folder=$1
shift

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

debian() { # PACKAGE ...: install system packages, where there is apt; say what is missing elsewhere
    if command -v apt-get >/dev/null; then
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "hark needs Python 3.11 or later with venv, and a C compiler for it. On macOS: brew install python@3.13" >&2
        exit 1
    fi
}

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() { # 3.11 and 3.13 first: every dependency has wheels for them
    local name
    for name in ${PYTHON:-} python3.11 python3.13 python3.12 python3.14 python3; do
        if fits "$name"; then
            echo "$name"
            return
        fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    debian python3 python3-venv
    python=$(find_python)
    [ -n "$python" ] || { echo "This system's Python is older than 3.11." >&2; exit 1; }
fi

if ! "$python" -m venv "$folder" >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    debian "python$version-venv"
    "$python" -m venv "$folder"
fi

install=("$folder/bin/python" -m pip install --disable-pip-version-check -q "$@")
if ! "${install[@]}"; then # a package without a wheel for this Python is compiled
    command -v cc >/dev/null && exit 1
    debian build-essential python3-dev
    "${install[@]}"
fi
