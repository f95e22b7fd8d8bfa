#!/usr/bin/env bash
# Test the adapter for FastRTC in a virtual environment of its own: fastrtc pins packages that are older than hark's.
# usage: scripts/test_fastrtc.sh FOLDER [PYTEST ARGUMENT ...]   (the environment is made where it is not there yet)
set -euo pipefail
folder=$1
shift
export GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1

if [ ! -e "$folder/.installed" ]; then
    bash "$(dirname "$0")/setup.sh" "$folder" -e '.[fastrtc,serve]' 'pytest>=8.3' 'openai>=2.0'
    touch "$folder/.installed"
fi
"$folder/bin/python" -m pip check --disable-pip-version-check
"$folder/bin/python" -m pytest "${@:-tests/realtime}"
