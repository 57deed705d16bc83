"""The decoding grammar: every sentence is good, and every answer of the generator is a sentence."""

import re

import pytest
from sourcegraph.sentences import sentences

from nls_sdk.sourcegraph import grammar, lint, validate
from nls_sdk.sourcegraph.decoding import longest_sentence
from nls_sdk.sourcegraph.terminals import LONGEST_REGEXP
from nls_sdk.synthetic import generate

llguidance = pytest.importorskip("llguidance")


class Bytes:
    """A tokenizer whose tokens are bytes."""

    bos_token_id = None
    eos_token_id = 256
    tokens = [bytes([byte]) for byte in range(256)] + [b"<eos>"]
    special_token_ids = [256]  # noqa: RUF012  # llguidance wants a plain attribute

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode())


@pytest.fixture(scope="module")
def accepts():
    """Whether llguidance takes a text for a sentence."""
    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()))
    source = llguidance.LLMatcher.grammar_from_lark(grammar())
    assert llguidance.LLMatcher.validate_grammar(source, tokenizer) == ""
    fresh: list = []

    def check(text: str) -> bool:
        # Matchers that share a lexer fill it up; a server makes one for each request.
        if check.calls % 20 == 0:
            fresh[:] = [llguidance.LLMatcher(tokenizer, source)]
        check.calls += 1
        matcher = fresh[0].deep_copy()
        return all(matcher.consume_token(byte) for byte in text.encode()) and matcher.is_accepting()

    check.calls = 0
    return check


def test_every_sentence_is_valid_and_clean(accepts) -> None:
    for sentence in sentences(seed=0, count=1500):
        assert validate(sentence) + lint(sentence) == [], sentence
        assert accepts(sentence), sentence
        assert len(sentence) <= longest_sentence()


def test_every_answer_of_the_generator_is_a_sentence(accepts) -> None:
    train, val = generate(seed=0, train=2500, val=200)
    answers = {row["messages"][-1]["content"] for row in train + val}
    assert [answer for answer in sorted(answers) if not accepts(answer)] == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "and",
        "a AND",
        "file:*.go",
        "lang:py x",
        "rev:main x",
        "bug after:yesterday",
        "fork:all x",
        "-word",
        "branch:x",
        "file:has.thing(x)",
        "repo:a@b rev:c",
        "type:commit fork:no fork:yes",
        "select:symbols x",
        "(a",
        'type:commit before:"january 2023"',
        'type:commit after:"february 30 2021"',
        'type:commit after:"april 31 2021"',
        'repo:"a\\.b" x',
    ],
)
def test_what_is_refused_or_silent_is_no_sentence(query: str, accepts) -> None:
    assert validate(query) + lint(query)
    assert not accepts(query)


def test_both_notations_have_the_same_rules() -> None:
    lark, ebnf = ({line.split()[0].strip(":") for line in grammar(n).splitlines()} for n in ("lark", "ebnf"))
    assert {name.removeprefix("RULE_").lower() for name in lark} | {"root"} == {
        name.removesuffix("_t") for name in ebnf
    }
    assert grammar("ebnf").startswith("root ::= start\n")


def test_every_name_in_the_ebnf_is_a_rule() -> None:
    texts_and_classes = r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]'
    bare = re.sub(texts_and_classes, " ", grammar("ebnf"))
    defined = set(re.findall(r"^(\w+) ::=", bare, re.MULTILINE))
    assert set(re.findall(r"[a-z]\w*", bare)) == defined


def test_the_ebnf_repeats_nothing_without_end() -> None:
    texts_and_classes = r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]'
    bare = re.sub(texts_and_classes, " ", grammar("ebnf"))
    assert re.findall(r"[*+]|\{\d+,\}", bare) == []
    assert f"{{0,{LONGEST_REGEXP}}}" in bare
