"""A translation is text, and knows a little more."""

from __future__ import annotations

from nls_sdk import Endpoint, Translation, Translator


def test_a_translation_is_its_text() -> None:
    answer = Translation("lang:go", server_seconds=0.5, finish_reason="stop")
    assert answer == "lang:go"
    assert {answer: 1}["lang:go"] == 1
    assert (answer.server_seconds, answer.finish_reason) == (0.5, "stop")
    assert Translation("x").server_seconds is None


def test_an_endpoint_is_a_translator_and_text_is_not() -> None:
    assert isinstance(Endpoint("http://127.0.0.1:1/v1"), Translator)
    assert not isinstance("lang:go", Translator)
