"""Fidelity: a merged model says what base and adapter said together, and is asked as they were.

Base and adapter answer questions greedily; then the saved model is shown each prompt with its answer and must
choose the same token at every step. Where it does not, the merge fails and names the likely cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from attrs import frozen

from ..errors import RunFailed
from ..prompt import CHAT_TEMPLATE_KWARGS, prompt
from ..synthetic import generate

QUESTIONS = {"cpu": 24, "cuda": 500}
"""How many questions are asked, by the kind of device; a CPU takes a second and more for each."""

_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""The largest difference between logits, as a share of the largest logit.

In bfloat16 every merged weight is rounded to 8 bits, which alone moves logits by a percent or two.
"""
_ANSWER = 40
_BATCH = 8
_TOP = 8


@frozen
class Answer:
    """What base and adapter answered to one question.

    Attributes:
        question: The question.
        ids: The tokens of prompt and answer.
        start: Where the answer starts.
        tokens: Of each step, the likeliest tokens, best first: (steps, 8).
        logits: And their logits, in float32: (steps, 8).
    """

    question: str
    ids: list[int]
    start: int
    tokens: torch.Tensor
    logits: torch.Tensor


@frozen
class Fidelity:
    """How alike the two are.

    Attributes:
        max_difference: The largest difference between logits.
        answers: Questions asked.
        changed: Of these, in how many answers another token is chosen, where two were as good as even.
    """

    max_difference: float
    answers: int
    changed: int


def questions(device: torch.device) -> list[str]:
    """The questions that are asked on a device."""
    rows = generate(train=1, val=QUESTIONS.get(device.type, QUESTIONS["cpu"]))[1]
    return [row["messages"][1]["content"] for row in rows]


@torch.no_grad()
def answers(model: Any, tokenizer: Any, asked: Sequence[str]) -> list[Answer]:
    """What a model answers greedily, with the logits it chose by."""
    model.eval()
    made = []
    for batch in _batches(asked):
        prompts = [_ids(tokenizer, question) for question in batch]
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(one)) + one for one in prompts], device=model.device)
        mask = torch.tensor(
            [[0] * (width - len(one)) + [1] * len(one) for one in prompts], device=model.device
        )
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=_ANSWER, do_sample=False, pad_token_id=0
        )[:, width:].tolist()
        ended = [_until(answer, tokenizer.eos_token_id) for answer in out]
        rows = [start + answer for start, answer in zip(prompts, ended, strict=True)]
        steps = _steps(model, rows, list(map(len, prompts)))
        for question, start, answer, logits in zip(batch, prompts, ended, steps, strict=True):
            top = logits.topk(min(_TOP, logits.shape[-1]))
            made.append(Answer(question, start + answer, len(start), top.indices, top.values))
    return made


@torch.no_grad()
def compare(model: Any, expected: Sequence[Answer]) -> Fidelity:
    """Show a model the answers of another; it must choose what that chose.

    Raises:
        RunFailed: It does not; the message has the question and the figures.
    """
    model.eval()
    tolerance = _TOLERANCE.get(model.dtype, _TOLERANCE[torch.bfloat16])
    worst, changed = 0.0, 0
    for batch in _batches(expected):
        steps = _steps(model, [one.ids for one in batch], [one.start for one in batch])
        for one, logits in zip(batch, steps, strict=True):
            difference = float((logits.gather(1, one.tokens) - one.logits).abs().max())
            allowed = tolerance * float(one.logits.abs().max())
            if not difference <= allowed:
                raise RunFailed(
                    "The merged model does not answer as base and adapter do: for "
                    f"{one.question!r} its logits differ by {difference:.3g}, and {allowed:.3g} is allowed."
                )
            worst = max(worst, difference)
            other = logits.argmax(1) != one.tokens[:, 0]
            changed += bool(other.any())
            # Another choice is a fault unless the two were ahead of each other by rounding alone.
            lead = float((logits.max(1).values - logits.gather(1, one.tokens[:, :1])[:, 0]).max())
            if lead > 2 * allowed:
                raise RunFailed(
                    f"The merged model answers {one.question!r} otherwise than base and adapter do: it holds "
                    f"another token for likelier by {lead:.3g}, and {2 * allowed:.3g} is allowed."
                )
    return Fidelity(worst, len(expected), changed)


def check_prompts(folder: Path, trained: Any, served: Any, vocabulary: int, asked: Sequence[str]) -> None:
    """See that a server which is told nothing renders the prompt that was trained, in tokens that there are.

    Args:
        folder: The merged model's folder, for the message.
        trained: The base model's tokenizer, as training used it.
        served: The folder's own.
        vocabulary: Rows of the model's embedding.
        asked: Questions to render.

    Raises:
        RunFailed: It renders another, or a token has no row.
    """
    for question in asked:
        ids = _ids(trained, question)
        messages = prompt(question)
        text = served.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        wanted = trained.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, **CHAT_TEMPLATE_KWARGS
        )
        if text != wanted:
            raise RunFailed(
                f"{folder}: the chat template renders {text[-60:]!r} at the prompt's end where training "
                f"saw {wanted[-60:]!r}. Cause: template.",
                hint="Its default for enable_thinking was not taken up; please report the base model.",
            )
        if served(text, add_special_tokens=False)["input_ids"] != ids or max(ids) >= vocabulary:
            raise RunFailed(
                f"{folder}: the tokenizer gives {question!r} tokens that were not trained, or that the "
                f"model's {vocabulary} embeddings do not have. Cause: vocabulary.",
                hint="Are the base model's tokenizer files those of its weights?",
            )


def cause(folder: Path, base: Any, merged: Any) -> str:
    """What most likely makes a merged model differ from base and adapter.

    Args:
        folder: The merged model's folder.
        base: The base model's configuration.
        merged: The merged model, as loaded from the folder.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    stated = str(config.get("dtype") or config.get("torch_dtype") or "")
    if config.get("vocab_size") != merged.get_input_embeddings().weight.shape[0]:
        return "vocabulary"
    if stated and stated != str(merged.dtype).removeprefix("torch."):
        return "dtype"
    if bool(config.get("tie_word_embeddings")) and _has_head(folder):
        return "tied embeddings: the adapter changed one of two matrices that the model has as one"
    if str(getattr(base, "dtype", stated) or stated).removeprefix("torch.") != stated:
        return "dtype: the base is held in another, and the adapter's changes are lost in rounding"
    return "weights: the adapter changes what merging does not reach"


def _has_head(folder: Path) -> bool:
    from safetensors import safe_open

    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            if "lm_head.weight" in tensors.keys():  # noqa: SIM118  # it is no mapping
                return True
    return False


def _ids(tokenizer: Any, question: str) -> list[int]:
    made = tokenizer.apply_chat_template(
        prompt(question), add_generation_prompt=True, return_dict=True, **CHAT_TEMPLATE_KWARGS
    )
    return list(made["input_ids"])


def _until(tokens: list[int], eos: int | None) -> list[int]:
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


def _steps(model: Any, rows: Sequence[list[int]], starts: Sequence[int]) -> list[torch.Tensor]:
    """The logits from which each row's answer was chosen, each (steps, vocabulary) in float32 on the CPU."""
    width = max(map(len, rows))
    # Padded on the right: under causal attention nothing that counts sees it.
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    logits = model(ids).logits
    return [
        logits[i, start - 1 : len(row) - 1].float().cpu()
        for i, (row, start) in enumerate(zip(rows, starts, strict=True))
    ]


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[i : i + _BATCH] for i in range(0, len(items), _BATCH))
