"""vLLM's command: where it is, and what a `ServeConfig` is in its terms."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from ..prompt import CHAT_TEMPLATE_KWARGS
from ..tasks import ServeConfig


def executable() -> str | None:
    """Where vLLM is: beside this Python, whose environment need not be activated, or on the PATH."""
    folders = [str(Path(sys.executable).parent), *os.get_exec_path()]
    return shutil.which("vllm", path=os.pathsep.join(folders))


def command(model: Path, config: ServeConfig, port: int, host: str) -> list[str]:
    """The command line of the server; the API key is not in it."""
    return [
        *(executable() or "vllm", "serve", str(model)),
        *("--host", host, "--port", str(port)),
        *("--served-model-name", config.model_name),
        *("--max-model-len", str(config.max_length)),
        *("--default-chat-template-kwargs", json.dumps(CHAT_TEMPLATE_KWARGS)),
    ]
