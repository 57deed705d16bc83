"""The intents: which subject goes with which filters."""

from __future__ import annotations

from attrs import frozen


@frozen
class Intent:
    """One kind of question.

    Attributes:
        name: its name, kept in a row's metadata.
        subjects: the subjects it is about, one is drawn per question.
        required: the filters it always has: every entry lists alternatives, one is drawn.
        optional: the filters it may have besides.
    """

    name: str
    subjects: tuple[str, ...]
    required: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()


_PLACES = "repo lang dir extension file"
_SCOPE = "repo lang dir fork archived public private context not_repo not_dir not_tests"
_LIMITS = "count count_all case timeout"
_ANY = f"{_SCOPE} rev extension file not_lang not_term owner {_LIMITS}"
_PAST = "repo fork archived private public context not_repo count count_all"
_WHEN = "author after before window"


def _intent(name: str, subjects: str, required: str = "", optional: str = "") -> Intent:
    alternatives = tuple(tuple(group.split("|")) for group in required.split())
    return Intent(name, tuple(subjects.split()), alternatives, tuple(optional.split()))


_CODE = "term term term regex"

INTENTS: tuple[Intent, ...] = (
    _intent("content", "term", "repo|lang|dir", _ANY),
    _intent("content_in_repo", _CODE, "repo", _ANY),
    _intent("content_in_language", _CODE, "lang", _ANY),
    _intent("content_in_directory", _CODE, "dir", _ANY),
    _intent("content_in_extension", _CODE, "extension", _SCOPE),
    _intent("content_in_file", _CODE, "file", _SCOPE),
    _intent("either_term", "either_term", "repo|lang|dir", _ANY),
    _intent("both_terms", "both_terms", "repo|lang|dir", _ANY),
    _intent("excluded_term", "term", "not_term", _ANY),
    _intent("regex", "regex", "", _ANY),
    _intent("pattern_type", "regexp_mode literal_mode keyword_mode", "", f"{_PLACES} {_LIMITS}"),
    _intent("file_contents", "contents_only", "", "repo lang dir count"),
    _intent("symbol", "symbol", "", f"{_SCOPE} rev case count"),
    _intent(
        "symbol_kind",
        "function_symbol function_symbol class_symbol class_symbol method_symbol interface_symbol"
        " struct_symbol constant_symbol variable_symbol",
        "",
        f"{_SCOPE} rev count",
    ),
    _intent("commit_author", "commit", "author", f"{_PAST} after before window message"),
    _intent("commit_message", "commit", "message", f"{_PAST} {_WHEN}"),
    _intent("commit_dates", "commit", "after|before|window", f"{_PAST} author message not_author"),
    _intent("commit_committer", "commit", "committer", f"{_PAST} after before window message"),
    _intent("commit_not_author", "commit", "not_author", f"{_PAST} after before window message"),
    _intent("diff", "diff", "", f"{_PAST} {_WHEN} not_author dir extension"),
    _intent("diff_history", "any_diff", "author|after|before|window|message", f"{_PAST} dir"),
    _intent("diff_author_dates", "any_diff diff", "author after|before|window", f"{_PAST} dir"),
    _intent("diff_added", "diff_added", "", f"{_PAST} {_WHEN}"),
    _intent("diff_removed", "diff_removed", "", f"{_PAST} {_WHEN}"),
    _intent("path", "path", "", "repo not_repo extension not_tests fork archived count private"),
    _intent("repository", "repository", "", "fork fork_only archived archived_only public private"),
    _intent("list_files", "file_list", "", "repo lang dir extension not_tests count fork"),
    _intent("list_repositories", "repo_list", "", "lang extension fork archived private count"),
    _intent("repo_with_file", "term", "repo_file", "lang count case fork not_tests"),
    _intent("repo_with_topic", "term regex", "repo_topic", "lang count case fork not_tests dir"),
    _intent("repo_active", "term", "repo_active", "lang count case dir"),
    _intent("file_owner", "term", "owner", "repo lang count"),
    _intent("file_also_contains", "term", "also", "repo lang count dir case"),
    _intent("exclude_place", _CODE, "not_repo|not_dir|not_lang|not_tests", _ANY),
    _intent("either_repo", _CODE, "either_repo", f"lang dir not_tests {_LIMITS}"),
    _intent("either_language", _CODE, "either_lang", f"repo dir not_tests {_LIMITS}"),
    _intent("forks", "term", "fork|fork_only", f"{_PLACES} {_LIMITS}"),
    _intent("archived", "term", "archived|archived_only", f"{_PLACES} {_LIMITS}"),
    _intent("visibility", "term", "public|private", f"{_PLACES} {_LIMITS}"),
    _intent("context", "term", "context|context_global", f"{_PLACES} {_LIMITS}"),
    _intent("revision", "term regex symbol", "repo rev", "lang dir not_tests count case"),
    _intent("case", "term", "case", f"{_PLACES} count"),
    _intent("count", "term symbol", "count|count_all", f"{_PLACES} not_tests"),
    _intent("timeout", "term regex", "timeout", f"{_PLACES} count count_all"),
)
"""Every intent."""
