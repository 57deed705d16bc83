"""vLLM's command, started sooner: ``python -m nls_sdk.worker.vllm_start serve MODEL ...``.

Importing vLLM makes millions of objects that stay, and looking for garbage among them is a sixth of the time.
"""

from __future__ import annotations

import gc


def main() -> None:
    """What the command ``vllm`` does."""
    gc.disable()
    import vllm.entrypoints.cli.serve
    from vllm.entrypoints.cli.main import main as vllm

    gc.freeze()
    gc.enable()
    vllm()


if __name__ == "__main__":
    main()
