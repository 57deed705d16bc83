"""What the decoding grammar costs: ``python benchmarks/language_grammar.py [--sentences 20000]``.

Draws sentences and counts those that are not server-valid and lint-clean, checks that every answer of the
synthetic generator is a sentence, and times llguidance and, where it is installed, xgrammar: compiling the
grammar, and one mask of the next token. The vocabulary is made of the generator's answers: every byte and
the most frequent pieces of text, as many as asked for.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from nls_sdk.sourcegraph import grammar, lint, validate
from nls_sdk.sourcegraph.decoding import longest_sentence
from nls_sdk.synthetic import generate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from sourcegraph.sentences import sentences


def main() -> None:
    """Prints the counts and the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--vocabulary", type=int, default=32_000, help="tokens besides the bytes")
    options = parser.parse_args()
    print(f"grammar: {len(grammar()):,} characters; longest sentence: {longest_sentence():,} characters")
    drawn = list(sentences(seed=1, count=options.sentences))
    bad = [sentence for sentence in drawn if validate(sentence) or lint(sentence)]
    print(
        f"{len(drawn):,} sentences drawn: {len(bad)} not server-valid and lint-clean; "
        f"longest {max(map(len, drawn))}"
    )
    train, val = generate(train=6000, val=400)
    answers = sorted({row["messages"][-1]["content"] for row in train + val})
    tokens = _vocabulary(answers, options.vocabulary)
    _llguidance(tokens, answers)
    try:
        import xgrammar  # noqa: F401  # whether it is there
    except ImportError:
        print("xgrammar is not installed")
    else:
        _xgrammar(tokens, answers)


def _vocabulary(answers: list[str], size: int) -> list[bytes]:
    pieces: Counter[bytes] = Counter()
    for answer in answers[:3000]:
        raw = answer.encode()
        pieces.update(raw[i:j] for i in range(len(raw)) for j in range(i + 2, min(i + 12, len(raw)) + 1))
    return (
        [bytes([byte]) for byte in range(256)] + [piece for piece, _ in pieces.most_common(size)] + [b"<eos>"]
    )


def _tokenize(text: bytes, known: dict[bytes, int]) -> list[int]:
    ids, at = [], 0
    while at < len(text):
        size = next(n for n in range(min(12, len(text) - at), 0, -1) if text[at : at + n] in known)
        ids.append(known[text[at : at + size]])
        at += size
    return ids


def _llguidance(tokens: list[bytes], answers: list[str]) -> None:
    import llguidance
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

    known = {token: i for i, token in enumerate(tokens)}
    vocabulary = tokens
    eos = len(tokens) - 1

    class Tokenizer:
        bos_token_id = None
        eos_token_id = eos
        tokens = vocabulary
        special_token_ids = (eos,)

        def __call__(self, text: str | bytes) -> list[int]:
            return _tokenize(text if isinstance(text, bytes) else text.encode(), known)

    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Tokenizer()))
    source = llguidance.LLMatcher.grammar_from_lark(grammar())
    start = time.perf_counter()
    llguidance.LLMatcher(tokenizer, source)
    print(f"llguidance: compiled in {1000 * (time.perf_counter() - start):.1f} ms")
    mask = allocate_token_bitmask(1, len(tokens))
    times, outside = [], 0
    for i, answer in enumerate(answers):
        if i % 20 == 0:
            first = llguidance.LLMatcher(tokenizer, source)
        matcher = first.deep_copy()
        accepted = True
        for token in _tokenize(answer.encode(), known):
            start = time.perf_counter()
            fill_next_token_bitmask(matcher, mask)
            times.append(time.perf_counter() - start)
            accepted = accepted and matcher.consume_token(token)
        outside += not (accepted and matcher.is_accepting())
    _report("llguidance", times, outside, answers, tokens)


def _xgrammar(tokens: list[bytes], answers: list[str]) -> None:
    import numpy as np
    import xgrammar as xg

    known = {token: i for i, token in enumerate(tokens)}
    vocabulary: Any = tokens
    information = xg.TokenizerInfo(vocabulary, vocab_type=xg.VocabType.RAW, stop_token_ids=[len(tokens) - 1])
    start = time.perf_counter()
    compiled = xg.GrammarCompiler(information, max_threads=1).compile_grammar(
        xg.Grammar.from_ebnf(grammar("ebnf"))
    )
    print(f"xgrammar: compiled in {1000 * (time.perf_counter() - start):.1f} ms")
    mask = np.zeros((1, (len(tokens) + 31) // 32), dtype=np.int32)
    times, outside = [], 0
    for number, answer in enumerate(answers):
        matcher = xg.GrammarMatcher(compiled)
        accepted = True
        for token in _tokenize(answer.encode(), known):
            if number < 100:  # A mask takes it so long that those of all answers would take half an hour.
                start = time.perf_counter()
                matcher.fill_next_token_bitmask(mask)
                times.append(time.perf_counter() - start)
            accepted = accepted and matcher.accept_token(token)
        outside += not (accepted and matcher.accept_token(len(tokens) - 1))
    _report("xgrammar", times, outside, answers, tokens)


def _report(name: str, times: list[float], outside: int, answers: list[str], tokens: list[bytes]) -> None:
    micro = [1e6 * t for t in times]
    quantiles = statistics.quantiles(micro, n=100)
    print(
        f"{name}: mask of {len(tokens):,} tokens: mean {statistics.fmean(micro):.0f} us, "
        f"median {quantiles[49]:.0f} us, p99 {quantiles[98]:.0f} us over {len(times):,} tokens; "
        f"{outside} of {len(answers):,} answers are no sentence"
    )


if __name__ == "__main__":
    main()
