"""The OpenAI baseline, against a real server on loopback."""

from __future__ import annotations

import pytest
from stub_server import StubServer, completion, status

from nls_sdk import Dataset, Evaluator, Translator, baseline, metrics
from nls_sdk.errors import ConfigError, EndpointError, EndpointUnavailable
from nls_sdk.sourcegraph import OPERATORS
from nls_sdk_openai import SYSTEM_PROMPT, OpenAIBaseline

KEY = "sk-secret-1234"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_it_is_found_by_name_and_is_a_translator() -> None:
    made = baseline("openai", api_key=KEY)
    assert isinstance(made, OpenAIBaseline)
    assert isinstance(made, Translator)
    assert (made.name, made.model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert made.url == "https://api.openai.com/v1"
    assert OpenAIBaseline("x", name="Untuned", base_url="http://a/v1").name == "Untuned"


def test_without_a_key_it_says_which_variable_is_missing_and_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY is not set(?s:.*)platform\.openai\.com/api-keys"):
        OpenAIBaseline()


@pytest.mark.parametrize("blank", ["", None])
def test_an_empty_variable_is_no_key(blank: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ConfigError):
        OpenAIBaseline(api_key=blank)


def test_the_environment_names_key_and_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with StubServer("lang:go", key=KEY) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert OpenAIBaseline().translate("Go files") == "lang:go"


def test_another_server_needs_no_key() -> None:
    with StubServer("lang:go") as server:
        assert OpenAIBaseline(base_url=server.url).translate("Go files") == "lang:go"


def test_a_request_is_the_prompt_and_the_question() -> None:
    with StubServer("lang:go") as server:
        OpenAIBaseline("small", base_url=server.url).translate("Go files")
        (asked,) = server.asked
    assert asked.body == {
        "model": "small",
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": "Go files"},
        ],
        "max_tokens": 128,
        "temperature": 0.0,
    }


def test_the_prompt_gives_a_fair_chance() -> None:
    described = metrics.operators(SYSTEM_PROMPT.partition("Request:")[0])
    assert OPERATORS - {"l", "language"} <= described
    examples = [part.strip().splitlines()[1] for part in SYSTEM_PROMPT.split("Request:")[1:]]
    assert len(examples) == 2
    assert all(metrics.syntax_valid(example) for example in examples)


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        ("lang:go foo", "lang:go foo"),
        ("`lang:go foo`", "lang:go foo"),
        ("```\nlang:go foo\n```", "lang:go foo"),
        ("```sourcegraph\nlang:go foo\n```\nThis finds Go files.", "lang:go foo"),
        ("Here it is:\n\n```text\nlang:go foo\n```", "lang:go foo"),
        ("```lang:go foo```", "lang:go foo"),
        ("```\nlang:go foo", "lang:go foo"),
        ("content:`x` lang:go", "content:`x` lang:go"),
        ("", ""),
    ],
)
def test_markdown_is_taken_off(answer: str, query: str) -> None:
    with StubServer(completion(answer, x_server_time_ms="5")) as server:
        found = OpenAIBaseline(base_url=server.url).translate("q")
    assert found == query
    assert (found.server_seconds, found.finish_reason) == (0.005, "stop")


def test_failures_are_typed_and_never_show_the_key() -> None:
    for reply, error in ((status(401), EndpointError), (status(429, f"quota of {KEY}"), EndpointUnavailable)):
        with StubServer(reply) as server:
            made = OpenAIBaseline(base_url=server.url, api_key=KEY)
            with pytest.raises(error) as caught:
                made.translate("q")
            assert len(server.asked) == 1
        assert KEY not in f"{caught.value!s} {caught.value!r} {made!r} {made}"


def test_it_is_evaluated_like_any_translator() -> None:
    data = Dataset.from_pairs([("Go files", "lang:go"), ("Python files", "lang:python")])
    with StubServer(lambda question: "lang:go" if "Go" in question else "ext:py") as server:
        results = Evaluator(data).run(OpenAIBaseline(base_url=server.url))
    assert results.name == "gpt-4o-mini"
    assert results.syntax_valid.count == results.semantic_match.count == 1


def test_a_name_is_pinned_to_a_version_at_openai_alone() -> None:
    assert OpenAIBaseline("gpt-4o-mini-2024-07-18", api_key=KEY).model == "gpt-4o-mini-2024-07-18"
    assert OpenAIBaseline("new", api_key=KEY).model == "new"
    assert OpenAIBaseline(base_url="http://127.0.0.1:9/v1").model == "gpt-4o-mini"


def test_a_known_end_is_said_aloud() -> None:
    assert (
        "gpt-4o-mini-2024-07-18 is said to leave OpenAI's API on 2027-01-14"
        in OpenAIBaseline(api_key=KEY).notice
    )
    assert OpenAIBaseline("new", api_key=KEY).notice == ""


def test_examples_are_earlier_turns_of_the_chat() -> None:
    with StubServer("lang:go") as server:
        made = OpenAIBaseline(base_url=server.url, examples=[("C files", "lang:c"), ["Go", "lang:go"]])
        made.translate("Java files")
        (asked,) = server.asked
    assert [(message["role"], message["content"]) for message in asked.body["messages"][1:]] == [
        ("user", "C files"),
        ("assistant", "lang:c"),
        ("user", "Go"),
        ("assistant", "lang:go"),
        ("user", "Java files"),
    ]


def test_answers_are_kept_under_what_decides_them() -> None:
    one = OpenAIBaseline(api_key=KEY).parameters
    assert one == OpenAIBaseline(api_key="another").parameters
    assert KEY not in str(one)
    for other in (
        OpenAIBaseline("new", api_key=KEY),
        OpenAIBaseline(api_key=KEY, system="x"),
        OpenAIBaseline(api_key=KEY, examples=[("a", "b")]),
        OpenAIBaseline(api_key=KEY, max_tokens=5),
        OpenAIBaseline(base_url="http://127.0.0.1:9/v1"),
    ):
        assert other.parameters != one
