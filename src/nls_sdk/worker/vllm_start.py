"""vLLM's command, started sooner: ``python -m nls_sdk.worker.vllm_start serve MODEL ...``.

Importing vLLM makes millions of objects that stay, and looking for garbage among them is a sixth of the time.
"""

from __future__ import annotations

import gc
from importlib import import_module


def main() -> None:
    """Do what the command ``vllm`` does."""
    gc.disable()
    import_module("vllm.entrypoints.cli.serve")
    gc.freeze()
    gc.enable()
    import_module("vllm.entrypoints.cli.main").main()


if __name__ == "__main__":
    main()
