"""`grammar`: a grammar for constrained decoding, in which every sentence is server-valid and lint-clean.

A sentence is a search with filters in one order, each as often as it may stand, and terms among them. The
rules come from the parser's own tables.

The grammar is regular: parentheses nest to a fixed depth, and every length has a bound.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Literal

from .fields import FIELDS
from .notation import Part, Ref, choice, ebnf, lark, longest, maybe, repeat, seq
from .predicates import PREDICATES, Argument
from .terminals import terminals, values

_BEFORE = ("fork", "archived", "visibility", "lang", "file")
_AFTER = ("case", "select", "count", "timeout")


def grammar(notation: Literal["lark", "ebnf"] = "lark") -> str:
    """The grammar of good queries.

    Args:
        notation: ``lark`` for llguidance (and vLLM's structured outputs), ``ebnf`` for xgrammar.
            EBNF bounds how often things repeat, and not the length of a word as a whole: it has every
            sentence of the other, and longer ones.

    Returns:
        The grammar's text; its first rule is ``start``.
    """
    return lark(rules()) if notation == "lark" else ebnf(rules())


def longest_sentence() -> int:
    """The length, in characters, of the longest sentence of the grammar."""
    made = rules()
    return int(longest(made, made["start"]))


@cache
def rules() -> dict[str, Part]:
    """The rules by their names, the first of them ``start``; those in capitals are single words."""
    rules: dict[str, Part] = {
        "start": choice(Ref("from_predicates"), Ref("from_repo")),
    }
    # Filters before the terms, right-recursive: what remains of the query from each slot on.
    rules["from_predicates"] = _from("repo_predicates", "from_context")
    rules["from_context"] = choice(_from("CONTEXT", "from_plain_repo"), Ref("from_plain_repo"))
    rules["from_plain_repo"] = choice(_from("any_repos", "from_fork"), Ref("from_fork"))
    rules["from_repo"] = choice(_from("CONTEXT", "from_revision"), Ref("from_revision"))
    rules["from_revision"] = choice(
        seq(Ref("repos"), " ", maybe(Ref("FORK"), " "), _from("REV", "from_archived")),
        Ref("from_plain_repo"),
    )
    slots = [*_BEFORE, "file_predicates", "kind"]
    for slot, following in itertools.pairwise(slots):
        rules[f"from_{slot}"] = choice(_from(_slot(slot), f"from_{following}"), Ref(f"from_{following}"))
    rules |= _endings()
    rules |= dict(_slots().items())
    rules |= terminals()
    return rules


def _from(slot: str, following: str) -> Part:
    return seq(Ref(slot), maybe(" ", Ref(following)))


def _endings() -> dict[str, Part]:
    """The rest of a query: of code with its type, or of commits with theirs; then the limits."""
    rules: dict[str, Part] = {
        "from_kind": choice(
            _from("TYPE", "from_terms"),
            Ref("from_terms"),
            _from("COMMITS", "from_commit_terms"),
            Ref("typed"),
        ),
        "from_terms": choice(_from("terms", "from_case"), Ref("from_case")),
        "terms": seq(Ref("ITEM"), repeat(seq(" ", Ref("ITEM")), 0, 5)),
        "typed": seq(
            maybe(Ref("CASE"), " "),
            Ref("with_pattern_type"),
            maybe(" ", Ref("from_select")),
        ),
        "from_commit_terms": choice(_from("terms", "from_committer"), Ref("from_committer")),
    }
    commits = ["committer", "author", "commit_case", "after", "before", "message", "select"]
    for slot, following in itertools.pairwise(commits):
        rules[f"from_{slot}"] = choice(
            _from(_slot(slot.removeprefix("commit_")), f"from_{following}"), Ref(f"from_{following}")
        )
    for slot, following in itertools.pairwise(_AFTER):
        rules[f"from_{slot}"] = choice(_from(slot.upper(), f"from_{following}"), Ref(f"from_{following}"))
    rules["from_timeout"] = Ref("TIMEOUT")
    return rules


_REPEATED = frozenset(
    ["lang", "file", "file_predicates", "author", "committer", "message", "after", "before"]
)


def _slot(name: str) -> str:
    """The rule of a slot: a terminal in capitals, unless it takes more than one."""
    return name if name in _REPEATED else name.upper()


def _slots() -> dict[str, Part]:
    """Every filter as one lexeme, and how often it may stand."""
    value = values()
    slots: dict[str, Part] = {}
    for name, field in FIELDS.items():
        if field.value in value:
            slots[name.upper()] = _filter(name, value[field.value])
    revisions = seq(Ref("REVISION"), repeat(seq(":", Ref("REVISION")), 0, 2))
    slots |= {
        "AUTHOR": _filter("author", Ref("PERSON")),
        "COMMITTER": _filter("committer", Ref("PERSON")),
        "MESSAGE": _filter("message", Ref("PERSON")),
        "CONTEXT": seq("context:", choice("global", seq(maybe("@"), Ref("NAME"), maybe("/", Ref("NAME"))))),
        "REV": seq("rev:", revisions),
        "COMMITS": choice("type:commit", "type:diff"),
        "REPO": seq("repo:", Ref("RE")),
        "REPO_AT": seq("repo:", Ref("RE"), "@", revisions),
        "NOT_REPO": seq("-repo:", Ref("RE")),
        "EITHER_REPO": _either(seq("repo:", Ref("RE"))),
        "EITHER_LANG": _either(seq("lang:", Ref("LANGUAGE"))),
        "EITHER_FILE": _either(seq("file:", Ref("RE"))),
        "REPO_PREDICATE": _predicates("repo"),
        "FILE_PREDICATE": _predicates("file"),
        "ITEM": choice(seq(maybe("NOT "), Ref("TERM")), _either(Ref("TERM"))),
    }
    excluded = maybe(" ", _some("NOT_REPO", 2))
    return slots | {
        "repos": seq(choice(Ref("REPO"), Ref("EITHER_REPO")), excluded),
        "any_repos": choice(
            seq(choice(Ref("REPO"), Ref("REPO_AT"), Ref("EITHER_REPO")), excluded), _some("NOT_REPO", 3)
        ),
        "lang": choice(_some("LANG", 3), Ref("EITHER_LANG")),
        "file": choice(_some("FILE", 4), seq(Ref("EITHER_FILE"), maybe(" ", _some("FILE", 2)))),
        **{name: _some(name.upper(), 2) for name in ("author", "committer", "message", "after", "before")},
        "repo_predicates": _some("REPO_PREDICATE", 3),
        "file_predicates": _some("FILE_PREDICATE", 2),
        "with_pattern_type": choice(
            seq(choice(Ref("WORD"), Ref("QUOTED")), " ", "patterntype:keyword"),
            seq(Ref("WORD"), repeat(seq(" ", Ref("WORD")), 0, 4), " ", "patterntype:literal"),
            seq(Ref("RE_TERM"), " ", "patterntype:regexp"),
        ),
    }


def _filter(name: str, value: Part) -> Part:
    text = f"{name}:"
    return seq(maybe("-"), text, value) if FIELDS[name].negatable else seq(text, value)


def _some(terminal: str, most: int) -> Part:
    return seq(Ref(terminal), repeat(seq(" ", Ref(terminal)), 0, most - 1))


def _either(part: Part) -> Part:
    return seq("(", part, repeat(seq(" OR ", part), 1, 3), ")")


def _predicates(field: str) -> Part:
    arguments: dict[Argument, Part] = {
        Argument.FILE_QUERY: choice(
            Ref("RE_TERM"),
            seq("path:", Ref("RE"), maybe(" content:", Ref("RE"))),
            seq("content:", Ref("RE")),
        ),
        Argument.REGEXP: Ref("RE"),
        Argument.OWNER_REGEXP: Ref("RE"),
        Argument.TEXT: Ref("NAME"),
        Argument.OPTIONAL: seq(maybe("@"), Ref("NAME"), maybe("/", Ref("NAME"))),
        Argument.META: seq(Ref("NAME"), maybe(":", Ref("NAME"))),
    }
    written: list[Part] = []
    for (owner, name), rule in PREDICATES.items():
        if owner == field and name == rule.name and not rule.deprecated:
            argument = Ref("DATE") if name == "has.commit.after" else arguments[rule.argument]
            call = seq(f"{field}:{name}(", argument, ")")
            written.append(seq(maybe("-"), call) if rule.negatable else call)
    return choice(*written)
