"""Kill -9 the laptop's process at every stage of a job at a loopback Modal, and finish it from another.

    python benchmarks/modal_kills.py [--delays 0,0.4,1.2] [--stage deploy]

A client uploads, submits, trains, merges, deploys, evaluates and stops. It is killed once it has begun a
stage and a delay has passed; then a second process attaches to what there is, and goes on. Its answers must
be those of an undisturbed job, each stage must have become one run, and no container may be left. The worker
is the tests' quick one, as in `modal_chaos.py`. Exits with 1 when an end differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modal_chaos import QUESTIONS, STEPS, expected_answers

from nls_sdk import Dataset, Evaluator, attach
from nls_sdk.errors import NlsError
from nls_sdk.providers import Provider
from nls_sdk.recipe import Recipe
from nls_sdk.retry import retry
from nls_sdk.tasks import Train
from nls_sdk.training import push_dataset, train_run

STAGES = ("upload", "submit", "train", "merge", "deploy", "evaluate", "stop")
DATA = Dataset.from_pairs([(f"question {i}", "lang:go") for i in range(QUESTIONS)])


def client(provider: Provider) -> None:
    """The whole job, told stage by stage; what is there already is attached to."""

    def begin(stage: str) -> None:
        print(stage, flush=True)

    def reach(kind: str, start: Callable[[], Any]) -> Any:
        try:
            return attach(f"modal:steady.{kind}", provider=provider).result()
        except NlsError:  # There is no such run, or it has ended without a result.
            return start().result()

    begin("upload")
    stored = push_dataset(provider, DATA)
    recipe = Recipe(max_steps=STEPS, checkpoint_steps=2)
    task = Train(name="steady", base="some/model", data=stored, recipe=recipe)
    begin("submit")
    run = train_run(provider, retry(lambda: provider.submit(task)), task)
    begin("train")
    adapter = reach("train", lambda: train_run(provider, retry(lambda: provider.submit(task)), task))
    assert adapter == run.result()
    begin("merge")
    model = reach("merge", adapter.merge)
    begin("deploy")
    endpoint = reach("serve", lambda: model.serve(detached=True))
    begin("evaluate")
    results = Evaluator(DATA).run(endpoint)
    begin("stop")
    endpoint.stop()
    answers = [row.actual for row in results.rows]
    print(json.dumps(answers == expected_answers(task, [example.question for example in DATA])), flush=True)


def kill_at(modal: Any, stage: str, delay: float, place: str) -> str:
    """Kill a client, let another finish; says what was wrong, nothing where all was right."""
    from places import make_provider

    options = {"app": f"jobs-{place}", "serve_app": f"serve-{place}", "volume": f"runs-{place}"}
    provider = make_provider(**options)
    command = [sys.executable, __file__, "--client", json.dumps({**options, "port": provider.options.port})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        while first.stdout.readline().strip() != stage:
            pass
        time.sleep(delay)
        first.kill()
    second = subprocess.run(command, capture_output=True, text=True)
    if second.returncode:
        return (second.stderr.strip().splitlines() or ["no word"])[-1]
    wrong = [] if second.stdout.splitlines()[-1] == "true" else ["its answers are others"]
    states = {record.run_id: record.state for record in provider.runs()}
    if states != {"steady.train": "succeeded", "steady.merge": "succeeded", "steady.serve": "cancelled"}:
        wrong.append(f"states {states}")
    deadline = time.monotonic() + 10
    while left := [c for app in options.values() for c in modal.containers(app=app)]:
        if time.monotonic() > deadline:
            wrong.append(f"{len(left)} containers are left")
            break
        time.sleep(0.2)
    return "; ".join(wrong)


def main() -> None:
    """Kill at every stage, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--delays", default="0,0.4,1.2", help="seconds after a stage's begin")
    parser.add_argument("--stage", choices=STAGES, help="this one alone")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        from places import make_provider

        return client(make_provider(**json.loads(options.client)))
    from loopback.client import running, signed_in
    from places import QUICK_WORKER

    failures = 0
    delays = [float(text) for text in options.delays.split(",")]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as modal, signed_in(modal):
        modal.secret("huggingface-secret", HF_TOKEN="hf_loopback")
        modal.settings(overlay=str(QUICK_WORKER))
        for stage in [options.stage] if options.stage else STAGES:
            for number, delay in enumerate(delays):
                begun = time.monotonic()
                wrong = kill_at(modal, stage, delay, f"{stage}-{number}")
                failures += bool(wrong)
                print(
                    f"{stage:9} +{delay:3.1f} s  {wrong or 'right'}  {time.monotonic() - begun:5.1f} s",
                    flush=True,
                )
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
