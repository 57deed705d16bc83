"""A merge that changes how the model is asked or what it answers is found out, and its cause is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from nls_sdk.errors import RunFailed
from nls_sdk.worker.fidelity import answers, cause, check_prompts, compare
from nls_sdk.worker.template import bake_defaults

ASKED = ["find python files", "commits by alice", "where is the TODO in acme/api?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("fidelity") / "model", spread=0.2)


@pytest.fixture
def model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder)


@pytest.fixture
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def test_a_model_answers_as_itself(model: Any, tokenizer: Any) -> None:
    expected = answers(model, tokenizer, ASKED)
    assert [one.question for one in expected] == ASKED
    for one in expected:
        greedy = model.generate(
            torch.tensor([one.ids[: one.start]]), max_new_tokens=len(one.ids) - one.start, do_sample=False
        )
        assert one.ids == greedy[0].tolist()
        assert one.tokens[:, 0].tolist() == one.ids[one.start :]
    found = compare(model, expected)
    assert (found.answers, found.changed) == (3, 0)
    assert found.max_difference < 1e-5


def test_rounding_is_no_other_model(folder: Path, model: Any, tokenizer: Any) -> None:
    expected = answers(model, tokenizer, ASKED)
    rounded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    assert 0 < compare(rounded, expected).max_difference < 1.0


def test_one_matrix_that_was_not_merged_is_found_out(model: Any, tokenizer: Any) -> None:
    expected = answers(model, tokenizer, ASKED)
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.mul_(1.5)
    with pytest.raises(RunFailed, match="does not answer as base and adapter do: for 'find python files'"):
        compare(model, expected)


def test_another_token_than_any_that_was_likely_is_found_out(tmp_path: Path, tokenizer: Any) -> None:
    model = AutoModelForCausalLM.from_pretrained(make_model(tmp_path / "m", spread=0.2, tied=False))
    [expected] = answers(model, tokenizer, ASKED[:1])
    with torch.no_grad():
        logits = model(torch.tensor([expected.ids])).logits[0, expected.start - 1 : -1]
        logits[:, expected.tokens.unique()] = float("inf")
        unlikely = int(logits.min(0).values.argmin())
        model.lm_head.weight[unlikely] *= -9
    with pytest.raises(RunFailed, match="otherwise than base and adapter do: it holds another token"):
        compare(model, [expected])


def test_a_template_that_thinks_is_named(folder: Path, tokenizer: Any) -> None:
    served = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(RunFailed, match="Cause: template"):
        check_prompts(folder, tokenizer, served, 512, ASKED)
    served.chat_template = bake_defaults(served.get_chat_template())
    check_prompts(folder, tokenizer, served, 512, ASKED)


def test_tokens_without_an_embedding_are_named(folder: Path, tokenizer: Any) -> None:
    served = AutoTokenizer.from_pretrained(folder)
    served.chat_template = bake_defaults(served.get_chat_template())
    with pytest.raises(RunFailed, match=r"that the model's 8 embeddings do not have\. Cause: vocabulary"):
        check_prompts(folder, tokenizer, served, 8, ASKED)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"vocab_size": 7}, "vocabulary"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({}, "weights: the adapter changes what merging does not reach"),
    ],
)
def test_the_likeliest_cause_is_read_off_the_folder(
    folder: Path, model: Any, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    values = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, **changes}))
    assert cause(tmp_path, AutoConfig.from_pretrained(folder), model) == named


def test_a_head_that_a_tied_model_cannot_have_is_named(folder: Path, model: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file({"lm_head.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    assert cause(tmp_path, AutoConfig.from_pretrained(folder), model).startswith("tied embeddings")
