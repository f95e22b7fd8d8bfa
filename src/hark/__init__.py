"""Ask a recording a question: audio and text in, text out, whatever model does the hearing.

```python
import hark
print(hark.load().ask("standup.flac", "What did they decide about the release?"))
```
"""

import os as _os

from hark.answers.answer import Answer, Delta, Notice, Usage
from hark.answers.transcript import Segment, Transcript, Word
from hark.audio.audio import Audio
from hark.conversation.conversation import Clip, Conversation, Message, Text
from hark.engines.engine import Capabilities, Engine, Options
from hark.errors import HarkError
from hark.listener import Chat, Listener, load
from hark.tasks import TASKS, Task

# onnxruntime (from 1.29 on, off Windows) reports to its makers as soon as it is loaded, unless this is set before:
# https://github.com/microsoft/onnxruntime/pull/27379
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

__all__ = [
    "TASKS",
    "Answer",
    "Audio",
    "Capabilities",
    "Chat",
    "Clip",
    "Conversation",
    "Delta",
    "Engine",
    "HarkError",
    "Listener",
    "Message",
    "Notice",
    "Options",
    "Segment",
    "Task",
    "Text",
    "Transcript",
    "Usage",
    "Word",
    "__version__",
    "load",
]
