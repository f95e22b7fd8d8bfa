#!/usr/bin/env bash
# Test the adapter for FastRTC, and hark's server beside it, in a virtual environment of its own: fastrtc pins packages
# that are older than those hark is tested with otherwise.
# usage: scripts/test_fastrtc.sh FOLDER [PYTEST ARGUMENT ...]   (the environment is made where it is not there yet)
set -euo pipefail
folder=$1
shift
export GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1

if [ ! -e "$folder/.installed" ]; then
    bash "$(dirname "$0")/setup.sh" "$folder" -c tests/lock_fastrtc.txt -e '.[fastrtc,serve]' pytest openai
    touch "$folder/.installed"
fi
"$folder/bin/python" -m pip check --disable-pip-version-check
if [ $# -gt 0 ]; then
    exec "$folder/bin/python" -m pytest "$@"
fi
# FastRTC stands on packages that warn of themselves; gradio leaves event loops open.
"$folder/bin/python" -m pytest -W ignore tests/realtime/test_fastrtc.py
"$folder/bin/python" -m pytest --ignore tests/realtime/test_fastrtc.py \
    tests/realtime tests/server/test_{transcriptions,responses,chat,access}.py \
    --deselect tests/server/test_chat.py::test_a_tiny_chat_model_answers
