from pathlib import Path

import pytest

from nls_sdk.artifacts import Artifact
from nls_sdk.errors import ArtifactError
from nls_sdk.rundir import RunDirectory, locate, write_json


def test_done_is_believed_only_when_it_is_there(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "first.train")
    (run.path / "adapter").mkdir(parents=True)
    (run.path / "adapter" / "weights").write_text("w")
    assert run.read_done() is None
    adapter = run.output("adapter")
    assert (adapter.path, adapter.size) == ("runs/first.train/adapter", 1)
    end = run.write_done({"adapter": adapter}, {"train_loss": 0.5})
    assert run.read_done() == end
    assert run.resolve(adapter) == str(run.path / "adapter")
    assert run.resolve("Qwen/Qwen3-1.7B") == "Qwen/Qwen3-1.7B"


def test_a_lost_artifact_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="artifacts/dd"):
        locate(tmp_path, Artifact("artifacts/dd", "dd", 1))


def test_an_artifact_that_its_run_has_made_anew_is_another(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, "first.merge")
    (run.path / "model").mkdir(parents=True)
    (run.path / "model" / "weights").write_text("old")
    old = run.output("model")
    run.write_done({"model": old}, {})
    assert locate(tmp_path, old) == run.path / "model"
    (run.path / "model" / "weights").write_text("new")
    run.write_done({"model": run.output("model")}, {})
    with pytest.raises(ArtifactError, match=f"{old.digest[:12]}… is asked for"):
        locate(tmp_path, old)
    assert locate(tmp_path, run.output("model")) == run.path / "model"


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    write_json(file, {"a": 1})
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert file.read_text() == '{\n "a": 1\n}'
    assert list(tmp_path.iterdir()) == [file]
