"""The RPCs that a whole job, its checks and its stop ask of Modal: by the client, and by containers.

    python benchmarks/modal_rpcs.py

They are counted at a loopback Modal, with the tests' quick worker; a slow machine polls more often.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from importlib import metadata
from pathlib import Path

from modal_chaos import TESTS

from nls_sdk import Dataset, Evaluator, Recipe, TrainingJob


def main() -> None:
    """Do the job, and print a table."""
    sys.path.insert(0, str(TESTS))
    from loopback.client import running, signed_in

    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as modal, signed_in(modal):
        from places import QUICK_WORKER, make_provider

        modal.secret("huggingface-secret", HF_TOKEN="hf_loopback")
        modal.settings(overlay=str(QUICK_WORKER))
        provider = make_provider()
        provider.check()
        data = Dataset.from_pairs([(f"question {i}", "lang:go") for i in range(4)])
        recipe = Recipe(max_steps=4, checkpoint_steps=2, base_model="some/model")
        model = TrainingJob(data, provider, recipe, name="quick").start().result().merge().result()
        with model.deploy() as endpoint:
            Evaluator(data).run(endpoint)
        provider.reap()
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for name, count in modal.state()["callers"].items():
            who, _, rpc = name.partition("/")
            counts[rpc][who] = count
    print(f"modal {metadata.version('modal')}: {len(counts)} RPCs")
    for rpc, by in sorted(counts.items()):
        print(f"  {rpc:32} client {by.get('client', 0):5}   containers {by.get('container', 0):4}")


if __name__ == "__main__":
    main()
