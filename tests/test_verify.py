"""Checks before the work: findings, never exceptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nls_sdk import Dataset, Recipe, synthetic
from nls_sdk.artifacts import Artifact, fingerprint
from nls_sdk.dataset import Example
from nls_sdk.errors import ArtifactError, ConfigError, ProviderUnavailable
from nls_sdk.providers import Check, Estimate
from nls_sdk.settings import DataPaths, Settings
from nls_sdk.tasks import Task, Train
from nls_sdk.testing import FakeProvider
from nls_sdk.verify import failed, verify_config, verify_data, verify_env, verify_provider, verify_volumes


@pytest.fixture
def paths(tmp_path: Path) -> DataPaths:
    found = DataPaths(train=tmp_path / "train.jsonl", val=tmp_path / "val.jsonl")
    Dataset.from_pairs([("find a", "lang:go a"), ("find b", "lang:go b")]).write(found.train)
    Dataset.from_pairs([("find c", "lang:go c")]).write(found.val)
    return found


def append(path: Path, row: Any) -> None:
    with path.open("a") as file:
        file.write((row if isinstance(row, str) else json.dumps(row)) + "\n")


def wrong(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.name, check.message) for check in checks if check.status == "failed"]


def test_sound_data_is_counted_and_estimated(paths: DataPaths) -> None:
    checks = verify_data(paths, provider=FakeProvider())
    assert not failed(checks)
    train, val, training = checks
    assert train.message.startswith("2 examples, about ")
    assert "100.0% of the answers are valid queries" in val.message
    assert training.message == "about 0.1 min, $0.00 (made up)"


def test_every_wrong_line_is_named(paths: DataPaths) -> None:
    append(paths.train, '{"messages": [}')
    append(paths.train, {"messages": [{"role": "user", "content": "q"}]})
    append(paths.val, {"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "a"}]})
    found = wrong(verify_data(paths))
    assert [name for name, _ in found] == [f"{paths.train}:3:15", f"{paths.train}:4", f"{paths.val}:2"]
    assert "expected user and assistant" in found[1][1]
    assert '"content" must be a text that is not empty' in found[2][1]


def test_findings_are_listed_up_to_a_limit(paths: DataPaths) -> None:
    for _ in range(30):
        append(paths.train, "{")
    found = wrong(verify_data(paths, limit=3))
    assert len(found) == 4
    assert found[-1] == (str(paths.train), "rows: 27 more findings")


def test_both_files_are_looked_at_when_one_is_missing(paths: DataPaths) -> None:
    paths.train.unlink()
    append(paths.val, "{")
    assert [name for name, _ in wrong(verify_data(paths))] == [str(paths.train), f"{paths.val}:2:2"]


def test_an_empty_file_is_a_finding(paths: DataPaths) -> None:
    paths.val.write_text("")
    assert "empty" in wrong(verify_data(paths))[0][1]


def test_duplicates_and_leaks(paths: DataPaths) -> None:
    append(paths.train, Example.of("find a", "lang:go a").to_row())
    append(paths.val, Example.of("Find  B.", "lang:go b").to_row())
    found = dict(wrong(verify_data(paths)))
    assert "duplicate of line 1" in found[f"{paths.train}:3"]
    assert found[f"{paths.val}:2"] == "asks what train.jsonl:2 asks"


def test_an_example_longer_than_the_recipe_allows(paths: DataPaths) -> None:
    append(paths.train, Example.of("find " + "x" * 400, "lang:go").to_row())
    ((name, message),) = wrong(verify_data(paths, recipe=Recipe(max_length=64)))
    assert name == f"{paths.train}:3"
    assert "max_length is 64" in message
    assert not failed(verify_data(paths, recipe=Recipe(max_length=512)))


def test_a_system_message_that_the_server_will_not_say(paths: DataPaths) -> None:
    pairs = [("x", "lang:go"), ("y", "lang:go")]
    Dataset.from_pairs(pairs, system="Other.").write(paths.val)
    ((name, message),) = wrong(verify_data(paths))
    assert name == f"{paths.val}:1"
    assert "2 examples have the system message 'Other.'" in message


@pytest.mark.parametrize(
    ("answer", "place", "fix"),
    [
        ("lang:py z", "column 1: There is no language 'py'", "Write lang:python."),
        ("find bug after:2023-01-01", "column 10: after: works only", "Add type:commit or type:diff."),
        ("z branch:main", "column 3: branch: is no filter", "Use rev:NAME"),
        ("z -test", "column 3: - does not exclude a term", "Write NOT test."),
        ("a )", "column 3: This parenthesis was never opened", "Remove it"),
    ],
)
def test_an_answer_that_the_server_refuses_or_does_in_part(
    paths: DataPaths, answer: str, place: str, fix: str
) -> None:
    append(paths.val, Example.of("find z", answer).to_row())
    (check,) = [check for check in verify_data(paths) if check.status != "ok"]
    assert (check.name, check.status) == (f"{paths.val}:2", "failed")
    assert f"{answer!r}, {place}" in check.message
    assert fix in check.fix


def test_an_operator_that_only_the_server_takes_is_a_warning(paths: DataPaths) -> None:
    append(paths.train, Example.of("find z", "path:src z").to_row())
    checks = verify_data(paths)
    assert not failed(checks)
    (warning,) = [check for check in checks if check.status == "warning"]
    assert warning.name == f"{paths.train}:3"
    assert "path:, which the evaluation counts as wrong" in warning.message
    assert warning.fix == "Use `file:` instead"


def test_wrong_answers_are_listed_up_to_a_limit(paths: DataPaths) -> None:
    for number in range(5):
        append(paths.train, Example.of(f"find {number}", f"lang:py {number}").to_row())
    found = wrong(verify_data(paths, limit=2))
    assert [name for name, _ in found] == [f"{paths.train}:3", f"{paths.train}:4", str(paths.train)]
    assert found[-1][1] == "answers: 3 more findings"


def test_the_generators_data_is_clean(tmp_path: Path) -> None:
    train, val = synthetic.write(tmp_path, seed=2, train=1500, val=150)
    assert [check for check in verify_data(DataPaths(train=train, val=val)) if check.status != "ok"] == []


def test_a_share_of_valid_answers_is_told(paths: DataPaths) -> None:
    append(paths.train, Example.of("find z", "branch:main z").to_row())
    checks = verify_data(paths)
    assert any("66.7% of the answers" in check.message for check in checks)


def test_a_provider_that_cannot_be_reached_is_not_the_datas_fault(paths: DataPaths) -> None:
    class Down(FakeProvider):
        def estimate(self, task: object) -> Any:
            raise ArtifactError("the volume is gone")

    checks = verify_data(paths, provider=Down())
    assert not failed(checks)
    assert "no estimate: the volume is gone" in checks[-1].message


def test_volumes_leave_one_file_however_often_they_are_verified() -> None:
    pushed = []

    class Keeping(FakeProvider):
        def push(self, path: Path) -> Artifact:
            pushed.append(super().push(path))
            return pushed[-1]

    provider = Keeping()
    for _ in range(2):
        assert not failed(verify_volumes(provider))
    assert pushed[0] == pushed[1]


def test_volumes_that_give_back_something_else() -> None:
    class Mangling(FakeProvider):
        def pull(self, artifact: object, to: Path) -> Path:
            to.write_text("something else")
            return to

    (check,) = verify_volumes(Mangling())
    assert (check.status, check.name) == ("failed", "volumes")


def test_volumes_out_of_reach() -> None:
    class Down(FakeProvider):
        def push(self, path: Path) -> Any:
            raise ArtifactError("no room", hint="Make some.")

    (check,) = verify_volumes(Down())
    assert (check.status, check.message, check.fix) == ("failed", "no room", "Make some.")


def test_a_provider_that_breaks_its_promise_is_a_finding() -> None:
    class Raising(FakeProvider):
        def check(self) -> Any:
            raise ValueError("oops")

    (check,) = verify_provider(Raising())
    assert (check.status, check.message) == ("failed", "ValueError: oops")


def test_config() -> None:
    assert [check.name for check in verify_config(Settings)] == ["config", "recipe"]

    def load() -> Settings:
        raise ConfigError("nls-finetune.toml: unknown key 'x'.", hint="Did you mean 'y'?")

    (check,) = verify_config(load)
    assert (check.status, check.fix) == ("failed", "Did you mean 'y'?")


def test_env_names_the_source_of_a_secret_and_not_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MODAL_TOKEN_ID", "ak-secret")
    monkeypatch.delenv("MODAL_TOKEN_SECRET", raising=False)
    checks = {check.name: check for check in verify_env("local", sources={"OPENAI_API_KEY": "/x/.env"})}
    assert checks["OPENAI_API_KEY"].message == "from /x/.env"
    assert checks["MODAL_TOKEN_ID"].status == "failed"
    assert "MODAL_TOKEN_SECRET is not" in checks["MODAL_TOKEN_ID"].message
    assert "secret" not in " ".join(c.message.replace("MODAL_TOKEN_SECRET", "") for c in checks.values())
    assert checks["provider local"].status == "ok"


def test_env_of_a_provider_that_is_not_installed() -> None:
    check = verify_env("nowhere")[-1]
    assert (check.name, check.status) == ("provider nowhere", "failed")
    assert "install a package" in check.fix


def test_a_retryable_error_is_retried_by_the_one_policy() -> None:
    class Flaky(FakeProvider):
        tries = 0

        def push(self, path: Path) -> Any:
            self.tries += 1
            if self.tries == 1:
                raise ProviderUnavailable("a moment, please")
            return super().push(path)

    provider = Flaky()
    assert not failed(verify_volumes(provider))
    assert provider.tries == 2


def test_an_estimate_stores_no_base_model(paths: DataPaths, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    pushed, estimated = [], []

    class Watched(FakeProvider):
        def push(self, path: Path) -> Artifact:
            pushed.append(path.name)
            return super().push(path)

        def estimate(self, task: Task) -> Estimate:
            estimated.append(task)
            return super().estimate(task)

    assert not failed(verify_data(paths, recipe=Recipe(base_model=str(base)), provider=Watched()))
    assert pushed == ["data.jsonl"]
    (task,) = estimated
    # Judged as the base model that a training would push.
    assert isinstance(task, Train)
    assert task.base == Artifact(str(base), *fingerprint(base))
