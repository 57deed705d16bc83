"""A coverage-guided fuzzer (atheris) for `nls_sdk.sourcegraph`: nothing may be raised but its own error.

    pip install atheris
    python benchmarks/language_fuzz.py -max_total_time=600 -timeout=10 -max_len=2000

The options are libFuzzer's. Besides exceptions and hangs it looks for a canonical form that is not its own
canonical form, and for a rendering that is read as another tree.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["nls_sdk"]):
    from nls_sdk.sourcegraph import QueryError, canonical, explain, format, lint, parse, validate
    from nls_sdk.sourcegraph.writing import shape

PATTERN_TYPES = ("keyword", "standard", "literal", "regexp", "structural")


def examine(data: bytes) -> None:
    """Reads one input in every way: its first byte says which pattern type it has."""
    provider = atheris.FuzzedDataProvider(data)
    pattern_type = provider.PickValueInList(list(PATTERN_TYPES))
    text = provider.ConsumeUnicodeNoSurrogates(2000)
    faults = validate(text, pattern_type)
    lint(text, pattern_type)
    explain(text, pattern_type)
    try:
        read = parse(text, pattern_type)
        clean = format(text, pattern_type)
    except QueryError:
        return
    if shape(parse(clean, pattern_type).tree) != shape(read.tree):
        raise AssertionError(f"{text!r} is rendered as {clean!r}, which is another query")
    if not faults:
        once = canonical(text, pattern_type)
        if canonical(once) != once:
            raise AssertionError(f"{once!r} is not canonical")


if __name__ == "__main__":
    atheris.Setup(sys.argv, examine)
    atheris.Fuzz()
