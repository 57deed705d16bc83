"""The guesses, by how many steps a model would take that answers as the generator does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from transformers import AutoTokenizer

from nls_sdk.prompt import CHAT_TEMPLATE_KWARGS, prompt
from nls_sdk.synthetic import generate
from nls_sdk.worker.drafter import Continuations, Drafter, guess
from nls_sdk_local.tiny import tiny_base


@pytest.fixture(scope="module")
def dialogues() -> list[tuple[list[int], list[int]]]:
    """Prompts and their answers, as tokens."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_base())
    found = []
    for row in generate(train=120, val=1)[0]:
        asked, answer = row["messages"][1]["content"], row["messages"][2]["content"]
        text = tokenizer.apply_chat_template(
            prompt(asked), add_generation_prompt=True, **CHAT_TEMPLATE_KWARGS
        )
        told = tokenizer(answer, add_special_tokens=False)["input_ids"]
        found.append((list(text["input_ids"]), [*told, tokenizer.eos_token_id]))
    return found


class Server:
    """Calls a drafter as vLLM does, for one request after the other, and takes only what is right."""

    def __init__(self, most: int) -> None:
        config = SimpleNamespace(
            speculative_config=SimpleNamespace(num_speculative_tokens=most),
            model_config=SimpleNamespace(max_model_len=512),
        )
        self._drafter = Drafter(config)
        self._row = np.zeros((1, 512), dtype=np.int32)

    def steps(self, asked: list[int], answer: list[int]) -> int:
        """Answers a question; the steps that took."""
        text, steps, new = [*asked, answer[0]], 1, [answer[0]]
        while len(text) < len(asked) + len(answer):
            self._row[0, : len(text)] = text
            guessed = self._drafter.propose([new], np.array([len(text)]), self._row)[0]
            left = answer[len(text) - len(asked) :]
            right = 0
            while right < min(len(guessed), len(left) - 1) and guessed[right] == left[right]:
                right += 1
            new = left[: right + 1]
            text += new
            steps += 1
        return steps


def test_answers_take_less_than_half_the_steps_once_some_were_seen(
    dialogues: list[tuple[list[int], list[int]]],
) -> None:
    server = Server(8)
    steps = [server.steps(asked, answer) for asked, answer in dialogues]
    tokens = [len(answer) for _, answer in dialogues]
    assert sum(steps[60:]) < 0.5 * sum(tokens[60:])
    assert sum(steps[60:]) / sum(tokens[60:]) < sum(steps[:20]) / sum(tokens[:20])


def test_a_word_that_was_begun_is_copied_from_the_prompt() -> None:
    assert guess([5, 6, 7, 8, 9, 1, 5, 6], Continuations(), 3) == [7, 8, 9]


def test_an_answer_seen_often_goes_on_as_it_did() -> None:
    known = Continuations()
    for _ in range(3):
        known.learn([1, 2, 3, 4, 5], new=4)
    assert guess([9, 1, 2], known, 8) == [3, 4, 5]


def test_only_new_tokens_are_learnt() -> None:
    known = Continuations()
    known.learn([1, 2, 3, 4], new=1)
    assert known.likeliest([2]) == (None, 0, 0.0)
    assert known.likeliest([2, 3]) == (4, 2, 1.0)


def test_many_clients_get_fewer_guesses_each_and_those_whose_prompt_is_being_read_none() -> None:
    config = SimpleNamespace(
        speculative_config=SimpleNamespace(num_speculative_tokens=8),
        model_config=SimpleNamespace(max_model_len=64),
    )
    drafter = Drafter(config)
    text = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1]
    rows = np.zeros((65, 64), dtype=np.int32)
    rows[:, : len(text)] = text
    alone = drafter.propose([[1], []], np.array([len(text)] * 2), rows)
    assert alone == [[2, 3, 4, 5, 6, 7, 8, 9], []]
    among = drafter.propose([[1]] * 64 + [[]], np.array([len(text)] * 65), rows)
    assert among == [[2, 3, 4]] * 64 + [[]]


def test_no_guess_is_beyond_the_models_length() -> None:
    config = SimpleNamespace(
        speculative_config=SimpleNamespace(num_speculative_tokens=8),
        model_config=SimpleNamespace(max_model_len=10),
    )
    row = np.array([[1, 2, 3, 4, 5, 6, 7, 1, 0, 0]], dtype=np.int32)
    assert Drafter(config).propose([[1]], np.array([8]), row) == [[2, 3]]
    assert Drafter(config).propose([[1]], np.array([10]), row) == [[]]


def test_never_more_is_known_than_may_be_however_often_it_was_seen() -> None:
    known = Continuations(most=50)
    for token in range(200):
        for _ in range(token % 5 + 1):
            known.learn([1000 + token, token], new=1)
    assert len(known) <= 50
    for _ in range(100):
        known.learn([7, 8], new=1)
    for token in range(200, 400):
        known.learn([1000 + token, token], new=1)
        known.learn([1000 + token, token], new=1)
    assert known.likeliest([7])[0] == 8, "what is seen most often stays"


def test_what_was_seen_once_is_forgotten_when_too_much_is_known() -> None:
    known = Continuations(most=8)
    known.learn([1, 2], new=1)
    known.learn([1, 2], new=1)
    known.learn([10, 11, 12, 13, 14], new=4)
    assert known.likeliest([1])[0] == 2
    assert known.likeliest([13])[0] is None
