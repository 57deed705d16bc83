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
    WORDS.map("-repo:has.content({})".format),
    WORDS.map("file:has.content({})".format),
    st.tuples(WORDS, WORDS).map("-repo:{0[0]}@{0[1]}".format),
    WORDS.map("content:c.{}".format),
    WORDS.map("(lang:go OR file:{})".format),
    st.tuples(WORDS, WORDS).map("(repo:x.{0[0]} OR -file:{0[1]})".format),
    st.sampled_from(["lang:go", "-lang:python", "lang:java"]),
)
ONCE = st.lists(
    st.sampled_from(
        ["fork:yes", "archived:only", "case:yes", "count:10", "visibility:public", "select:file"]
    ),
    unique_by=lambda text: text.split(":")[0],
    max_size=3,
)
GROUPS = st.lists(WORDS, min_size=2, max_size=3, unique=True).map(
    lambda words: f"({' OR '.join(sorted(words))})"
)


REVISIONS = st.one_of(WORDS, st.tuples(WORDS, WORDS).map(":".join))
AT = st.tuples(WORDS, REVISIONS).map(lambda both: [f"repo:{both[0]}@{both[1]}"])
REVISED = st.tuples(st.sampled_from(["repo:{}", "-repo:{}"]), WORDS, REVISIONS).map(
    lambda three: [three[0].format(three[1]), f"rev:{three[2]}"]
)
PREDICATE_REVISED = st.tuples(WORDS, REVISIONS).map(
    lambda both: [f"repo:has.path({both[0]})", f"rev:{both[1]}"]
)
COMMITS = st.lists(
    st.one_of(
        WORDS.map("author:{}".format),
        WORDS.map("-author:{}".format),
        WORDS.map("message:{}".format),
        st.sampled_from(["after:2024-01-01", 'before:"2 weeks ago"', "before:yesterday"]),
    ),
    min_size=1,
    max_size=3,
).map(lambda filters: ["type:commit", *filters])


def parts(*, mixed: bool = False) -> st.SearchStrategy[list[str]]:
    """Filters and terms that together make a valid query of keyword search, in any order.

    With ``mixed``, also a revision beside nothing but a predicate, which newer servers refuse.
    """
    several = st.lists(st.one_of(TERMS, REPEATABLE, GROUPS), min_size=1, max_size=5)
    kinds = [st.just([]), AT, REVISED, COMMITS, *([PREDICATE_REVISED] if mixed else [])]
    return st.tuples(several, ONCE, st.one_of(kinds)).flatmap(
        lambda lists: st.permutations([part for each in lists for part in each])
    )


QUERIES = parts().map(" ".join)
MIXED = parts(mixed=True).map(" ".join)
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
