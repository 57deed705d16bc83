"""Queries for property-based tests, as the parts that they are made of."""

from hypothesis import strategies as st

WORDS = st.from_regex(r"(?!(?i:and|or|not)\Z)[a-z][a-zA-Z0-9_]{0,8}", fullmatch=True)
TERMS = st.one_of(
    WORDS,
    WORDS.map(lambda w: f'"{w} {w}"'),
    WORDS.map(lambda w: f"/{w}.*x/"),
    WORDS.map(lambda w: f"NOT {w}"),
)
REPEATABLE = st.one_of(
    WORDS.map("repo:{}".format),
    WORDS.map("-repo:{}".format),
    WORDS.map("file:{}".format),
    WORDS.map("-file:{}".format),
    WORDS.map("repo:has.path({})".format),
    st.sampled_from(["lang:go", "-lang:python", "lang:java"]),
)
ONCE = st.lists(
    st.sampled_from(
        ["fork:yes", "archived:only", "case:yes", "count:10", "visibility:public", "select:file"]
    ),
    unique_by=lambda text: text.split(":")[0],
    max_size=3,
)
GROUPS = st.lists(WORDS, min_size=2, max_size=3).map(lambda words: f"({' OR '.join(words)})")


def parts() -> st.SearchStrategy[list[str]]:
    """Filters and terms that together make a valid query of keyword search, in any order."""
    several = st.lists(st.one_of(TERMS, REPEATABLE, GROUPS), min_size=1, max_size=5)
    return st.tuples(several, ONCE).flatmap(lambda both: st.permutations(both[0] + both[1]))


QUERIES = parts().map(" ".join)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                *"()\"'/\\-@:*[]{} ",
                "a",
                "repo:",
                "file:",
                "lang:go",
                " AND ",
                " OR ",
                " NOT ",
                "and",
                "type:commit",
                "after:",
                "yesterday",
                "has.file(",
                "content:",
                "rev:",
                "\n",
                "\u00a0",
                "é",
                "count:5",
                "patterntype:regexp",
            ]
        ),
        max_size=14,
    ).map("".join),
)
PATTERN_TYPES = st.sampled_from(["keyword", "standard", "literal", "regexp", "structural"])
