"""A client in a process of its own: `client.py HOME COMMAND NAME`, with the stub as worker."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from nls_sdk.artifacts import Artifact
from nls_sdk.recipe import Recipe
from nls_sdk.tasks import Serve, Train
from nls_sdk_local import LocalProvider

STUB = [sys.executable, str(Path(__file__).with_name("stub_worker.py"))]


def main() -> None:
    home, command, name = sys.argv[1:]
    provider = LocalProvider(home, worker=STUB)
    data = Artifact(path="artifacts/none", digest="0" * 64, size=0)
    match command:
        case "train":
            print(provider.submit(Train(name=name, base="some/model", data=data, recipe=Recipe())))
        case "serve" | "serve-detached":
            task = Serve(name=name, model="some/model", detached=command == "serve-detached")
            print(provider.submit(task), flush=True)
            time.sleep(600)
        case "cancel":
            provider.cancel(name)


if __name__ == "__main__":
    main()
