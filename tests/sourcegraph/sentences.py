"""Random sentences of the decoding grammar."""

import random
import re
from collections.abc import Iterator

from nls_sdk.sourcegraph.decoding import rules
from nls_sdk.sourcegraph.notation import Choice, Class, Limit, Part, Ref, Repeat, Seq, Text

ALPHABET = [chr(code) for code in range(0x20, 0x7F)] + list("éüñ日本語Łß¿")


def sentences(seed: int, count: int) -> Iterator[str]:
    """Draws sentences: every choice by chance, repetitions mostly short."""
    rng = random.Random(seed)
    everything = rules()
    classes: dict[str, list[str]] = {}

    def draw(part: Part) -> str:
        match part:
            case Text():
                return part.text
            case Class():
                if part.source not in classes:
                    classes[part.source] = [c for c in ALPHABET if re.fullmatch(part.source, c)]
                return rng.choice(classes[part.source])
            case Ref():
                return draw(everything[part.name])
            case Seq():
                return "".join(map(draw, part.parts))
            case Choice():
                return draw(rng.choice(part.parts))
            case Limit():
                while len(text := draw(part.part)) > part.most:
                    pass
                return text
            case Repeat():
                limit = 12 if part.most is None else part.most
                most = limit if rng.random() < 0.1 else min(limit, part.least + 3)
                return "".join(draw(part.part) for _ in range(rng.randint(part.least, most)))

    for _ in range(count):
        yield draw(everything["start"])
