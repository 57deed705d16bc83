from __future__ import annotations

import json
import pydoc
from pathlib import Path
from typing import Any

import attrs
import pytest

from nls_sdk import ServeConfig
from nls_sdk.worker.drafter import Drafter
from nls_sdk.worker.vllm_command import LocalAdapter, command, environment

MODEL = Path("/models/first")


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def made(**fields: Any) -> list[str]:
    return command(MODEL, ServeConfig(**fields), 8000, "127.0.0.1")


def test_every_field_has_its_say() -> None:
    others: dict[str, Any] = {
        "model_name": "mine",
        "max_length": 512,
        "precision": "fp8",
        "speculation": "ngram",
        "speculative_tokens": 3,
        "prefix_caching": False,
        "max_clients": 7,
        "graph_batch": 16,
        "frontends": 2,
        "gpu_memory": 0.5,
        "log_requests": True,
    }
    elsewhere = {"port", "idle_timeout", "engine", "batch_invariant"}
    assert others.keys() | elsewhere == {field.name for field in attrs.fields(ServeConfig)}
    for name, value in others.items():
        assert made(**{name: value}) != made(), name


def test_speculation_is_one_json_option() -> None:
    told = json.loads(option(made(speculation="ngram", speculative_tokens=5), "--speculative-config"))
    assert (told["method"], told["num_speculative_tokens"]) == ("ngram", 5)
    ours = json.loads(option(made(), "--speculative-config"))
    assert pydoc.locate(ours["model"]) is Drafter
    assert (ours["method"], ours["num_speculative_tokens"]) == ("custom_class", 8)
    assert "--speculative-config" not in made(speculation="off")


def test_the_model_is_named_by_its_run_and_content_too() -> None:
    named = command(MODEL, ServeConfig(), 8000, "127.0.0.1", served_as="first.serve@3fa9")
    at = named.index("--served-model-name")
    assert named[at + 1 : at + 3] == ["llm", "first.serve@3fa9"]
    assert named[at + 3].startswith("--")


def test_no_graphs_is_eager_mode() -> None:
    assert "--enforce-eager" in made(graph_batch=0)
    assert "--max-num-batched-tokens" not in made(graph_batch=0)


def test_every_step_has_a_graph() -> None:
    def sizes(**fields: Any) -> list[int]:
        made_of = json.loads(option(made(**fields), "--compilation-config"))["cudagraph_capture_sizes"]
        assert isinstance(made_of, list)
        return made_of

    assert sizes(graph_batch=12, speculation="off") == [1, 2, 4, 8, 12]
    assert sizes(graph_batch=30) == [9, 18, 27]
    assert sizes(graph_batch=3) == [9]
    assert option(made(graph_batch=300), "--max-num-batched-tokens") == str(sizes(graph_batch=300)[-1])
    assert option(made(graph_batch=16, max_clients=64), "--max-num-batched-tokens") == "64"


def test_the_prompt_is_rendered_with_thinking_off() -> None:
    assert json.loads(option(made(), "--default-chat-template-kwargs")) == {"enable_thinking": False}


def test_adapters_are_served_by_their_names_with_room_for_the_widest(tmp_path: Path) -> None:
    adapters = []
    for name, rank in (("a", 4), ("b", 24)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
        adapters.append(LocalAdapter(name, folder))
    arguments = command(MODEL, ServeConfig(), 8000, "127.0.0.1", tuple(adapters))
    at = arguments.index("--lora-modules")
    assert arguments[at + 1 : at + 3] == [f"a={tmp_path}/a", f"b={tmp_path}/b"]
    assert (option(arguments, "--max-lora-rank"), option(arguments, "--max-loras")) == ("32", "2")
    (tmp_path / "b" / "adapter_config.json").write_text(json.dumps({"r": 16}))
    exact = command(MODEL, ServeConfig(), 8000, "127.0.0.1", tuple(adapters))
    assert option(exact, "--max-lora-rank") == "16"
    assert "--enable-lora" in arguments


def test_what_is_compiled_is_kept_where_the_runs_are(tmp_path: Path) -> None:
    kept = environment(ServeConfig(), tmp_path, {"PATH": "/bin"})
    assert kept["PATH"] == "/bin"
    assert all(kept[name].startswith(str(tmp_path)) for name in ("VLLM_CACHE_ROOT", "TRITON_CACHE_DIR"))
    assert environment(ServeConfig(), tmp_path, {"VLLM_CACHE_ROOT": "/mine"})["VLLM_CACHE_ROOT"] == "/mine"


@pytest.mark.parametrize("exact", [True, False])
def test_answers_that_depend_on_nobody_else_are_vllms_batch_invariant_mode(
    exact: bool, tmp_path: Path
) -> None:
    config = ServeConfig(batch_invariant=exact)
    assert environment(config, tmp_path, {}).get("VLLM_BATCH_INVARIANT") == ("1" if exact else None)
    set_otherwise = {"VLLM_BATCH_INVARIANT": "0"}
    assert environment(config, tmp_path, set_otherwise)["VLLM_BATCH_INVARIANT"] == ("1" if exact else "0")
