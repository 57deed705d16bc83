"""The config file, `.env`, and `KEY=VALUE`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nls_sdk import Recipe
from nls_sdk.errors import ConfigError, NlsError
from nls_sdk.settings import Settings, load_env, override, parse_assignment, require_pairs


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    for name in ("NLS_HOME", "NLS_PROVIDER", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "OPENAI_API_KEY"):
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_the_defaults_are_the_specs(tmp_path: Path) -> None:
    settings = Settings.find(tmp_path)
    assert settings.provider == "modal"
    assert settings.recipe == Recipe()
    assert settings.data.val == Path("data/datasets/processed/val.jsonl")
    assert settings.source is None


def test_every_table_is_read_and_paths_count_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "nls-finetune.toml").write_text(
        'provider = "local"\nsystem_prompt = "Ask."\n[providers.local]\ngpu = true\n'
        '[baselines.openai]\nmodel = "m"\n[recipe]\nlora_r = 4\n[serve]\nport = 8000\n'
        '[data]\ntrain = "t.jsonl"\nval = "/abs/v.jsonl"\n'
    )
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    settings = Settings.find(deep)
    assert (settings.provider, settings.system_prompt) == ("local", "Ask.")
    assert settings.providers == {"local": {"gpu": True}}
    assert settings.baselines == {"openai": {"model": "m"}}
    assert (settings.recipe.lora_r, settings.serve.port) == (4, 8000)
    assert settings.data.train == tmp_path / "t.jsonl"
    assert settings.data.val == Path("/abs/v.jsonl")
    assert settings.data.evaluations == tmp_path / "data/datasets/evaluations"


def test_a_base_model_beside_the_file_is_found_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "nls-finetune.toml"
    path.write_text("[recipe]\nbase_model = 'models/base'\n")
    assert Settings.find(tmp_path).recipe.base_model == "models/base"
    (tmp_path / "models" / "base").mkdir(parents=True)
    (tmp_path / "deep").mkdir()
    assert Settings.find(tmp_path / "deep").recipe.base_model == str(tmp_path / "models/base")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("providr = 1", "unknown key 'providr'"),
        ("source = 1", "unknown key 'source'"),
        ("[recipe]\nlora = 1", "unknown key 'lora'"),
        ("[recipe]\nlora_r = 0", "lora_r = 0"),
        ("[serve]\nprt = 1", "[serve]: unknown key 'prt'"),
        ("[serve]\nport = 99999", "[serve]: port = 99999, but it must be from 0 to 65535."),
        ("[serve]\nport = '80'", "[serve]: port = '80', but it must be a whole number."),
        ("[serve]\nidle_timeout = -1", "[serve]: idle_timeout = -1.0, but it must be 0 or more."),
        ("[serve]\nmax_length = 0", "[serve]: max_length = 0, but it must be at least 16."),
        ("[serve]\nmodel_name = ''", "[serve]: model_name = '', but it must be a name."),
        ("[serve]\nengine = 'foo'", "[serve]: engine = 'foo', but it must be auto, vllm or cpu."),
        ("[data]\ntrian = 'x'", "unknown key 'trian'"),
        ("[data]\ntrain = 1", "train"),
        ("provider = 1", "provider"),
        ("providers = 1", "providers"),
        ("recipe = 1", "'recipe' must be a table"),
        ("x =", "TOML"),
        ("provider = '\xff'", "TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "nls-finetune.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(NlsError) as caught:
        Settings.from_toml(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        Settings.from_toml(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=1e-4", 1e-4),
        ("k = 3", 3),
        ("k=true", True),
        ('k="a b"', "a b"),
        ("k=Qwen/Qwen3-1.7B", "Qwen/Qwen3-1.7B"),
        ("k=a=b", "a=b"),
        ("k=1\nj = 2", "1\nj = 2"),
        ("k=", ""),
    ],
)
def test_assignments(text: str, value: object) -> None:
    assert parse_assignment(text) == ("k", value)


@pytest.mark.parametrize("text", ["k", "=1", " =1"])
def test_what_is_no_assignment(text: str) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_assignment(text)


def test_the_last_assignment_of_a_key_wins() -> None:
    assert override(Recipe(), ["seed=1", "lora_r=4", "seed=2"]) == Recipe(seed=2, lora_r=4)


def test_dot_env_fills_in_what_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-file\nNLS_PROVIDER=file\nMODAL_TOKEN_ID=\nOWN=1\n")
    (tmp_path / "deep").mkdir()
    os.environ["NLS_PROVIDER"] = "outside"
    sources = load_env(tmp_path / "deep")
    assert (os.environ["OPENAI_API_KEY"], os.environ["NLS_PROVIDER"], os.environ["OWN"]) == (
        "sk-file",
        "outside",
        "1",
    )
    assert sources["OPENAI_API_KEY"] == str(tmp_path / ".env")
    assert sources["NLS_PROVIDER"] == "environment"
    assert "MODAL_TOKEN_ID" not in os.environ


def test_a_home_in_dot_env_counts_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".env").write_text("NLS_HOME=.nls\n")
    load_env(tmp_path / "deep")
    assert os.environ["NLS_HOME"] == str(tmp_path / ".nls")
    os.environ["NLS_HOME"] = "outside"
    load_env(tmp_path / "deep")
    assert os.environ["NLS_HOME"] == "outside"
    del os.environ["NLS_HOME"]
    (tmp_path / ".env").write_text("NLS_HOME=~/nls\n")
    load_env(tmp_path)
    assert os.environ["NLS_HOME"] == str(Path.home() / "nls")


@pytest.mark.parametrize(
    "text", ["OWN=1\n\nOPENAI_API_KEY sk-secret\n", "OWN=1\n# a\nOPENAI_API_KEY='sk-secret\n"]
)
def test_a_line_of_dot_env_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_env(tmp_path)
    assert caught.value.message == f"{tmp_path}/.env:3: not NAME=VALUE."
    assert "secret" not in str(caught.value)
    assert "OWN" not in os.environ


def test_dot_env_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OWN=\xff\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_env(tmp_path)


def test_half_a_pair_is_an_error_for_its_provider_alone() -> None:
    os.environ["MODAL_TOKEN_SECRET"] = "as-secret-value"
    require_pairs("local")
    with pytest.raises(ConfigError, match="MODAL_TOKEN_SECRET is set and MODAL_TOKEN_ID is not") as caught:
        require_pairs("modal")
    assert "as-secret-value" not in str(caught.value)
    os.environ["MODAL_TOKEN_ID"] = "ak-1"
    require_pairs("modal")
