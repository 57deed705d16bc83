from __future__ import annotations

import signal
import subprocess
import sys
import time

import attrs
import psutil
import pytest
import torch
from worker_home import Home, finish, read_until

from nls_sdk import Recipe
from nls_sdk.events import Cancelled, Failed, Log, Progress, Succeeded
from nls_sdk.tasks import DryRun, Train


def _training(home: Home, recipe: Recipe) -> Train:
    return Train(name="a", base=home.base, data=home.data, recipe=attrs.evolve(recipe, epochs=50.0))


def test_sigterm_cancels_and_the_next_start_resumes(home: Home, recipe: Recipe) -> None:
    process = home.start(_training(home, recipe))
    for _ in read_until(process, lambda event: isinstance(event, Progress) and event.step >= 4):
        pass
    process.send_signal(signal.SIGTERM)
    events, printed, code = finish(process)
    assert (events[-1], code) == (Cancelled(), 0)
    assert "Traceback" not in printed
    process = home.start(_training(home, recipe))
    *_, first = read_until(process, lambda event: isinstance(event, Progress))
    process.kill()
    process.communicate()
    assert isinstance(first, Progress)
    assert first.step > 2


def test_sigterm_while_loading_cancels_too(home: Home, recipe: Recipe) -> None:
    process = home.start(_training(home, recipe))
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    events, _, code = finish(process)
    assert (events[-1:], code) == ([Cancelled()], 0)


def test_it_ends_with_its_supervisor_and_takes_its_group_along(home: Home, recipe: Recipe) -> None:
    """Standard input is the supervisor's pipe: its end kills the worker and what the worker started."""
    task = _training(home, recipe)
    home.write(task)
    worker = f"{sys.executable} -m nls_sdk.worker --home {home.path} --watch-stdin {task.run_id}"
    process = subprocess.Popen(
        ["sh", "-c", f"sleep 600 & exec {worker}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    for _ in read_until(process, lambda event: isinstance(event, Progress)):
        pass
    (child,) = psutil.Process(process.pid).children()
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=5) == -signal.SIGKILL
    child.wait(timeout=5)


def test_events_alone_are_on_standard_output(home: Home, recipe: Recipe) -> None:
    task = DryRun(name="a", base=home.base, data=home.data, recipe=recipe, stage="model")
    events, _, code = finish(home.start(task))  # Reads every line as an event.
    assert code == 0
    assert {type(event) for event in events[:-1]} == {Log}
    assert isinstance(events[-1], Succeeded)
    assert events[-1] == home.write(task).read_done()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_demanded_and_absent_fails(home: Home, recipe: Recipe) -> None:
    events, printed, code = finish(home.start(_training(home, recipe), "--device", "cuda"))
    assert code == 1
    assert isinstance(events[-1], Failed)
    assert events[-1].message == "A GPU is demanded, and this machine has none that torch can use."
    assert "nvidia-smi" in events[-1].hint
    assert "Traceback" not in printed


def test_an_unforeseen_error_is_one_line_and_its_traceback_a_log(home: Home, recipe: Recipe) -> None:
    task = _training(home, recipe)
    home.write(task).task_file.write_text("{")
    process = subprocess.run(
        [sys.executable, "-m", "nls_sdk.worker", "--home", str(home.path), task.run_id],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert '"event": "failed"' in process.stdout
    assert "JSONDecodeError" in process.stdout
    assert "Traceback" not in process.stdout
    assert "Traceback" in process.stderr
