"""Modifiers: the filters on repositories a question adds. Ranks give the canonical order."""

from __future__ import annotations

from .wordings import Concept, concept

_REPOS = "repo either_repo not_repo repo_topic repo_file repo_active"

_WHERE = (
    concept("context", "context", "context:{x}", 0,
        """
        in the search context {x}
        in the {x} context
        within context {x}
        using the {x} search context
        using context {x}
        limited to the context {x}
        inside the {x} search context
        lead| in the {x} context,
        lead| using the search context {x},
        tail| context {x}
        tail| with the search context set to {x}
        """,
        """
        scoped to the {x} context
        over the {x} search context
        lead| working in the context {x},
        """, "context_global"),
    concept("context_global", "", "context:global", 0,
        """
        in the global context
        using the global search context
        across the global context
        in the global search context
        within the global context
        lead| in the global context,
        lead| using the global search context,
        tail| global context
        tail| global search context please
        tail| with the context set to global
        """,
        """
        throughout the global context
        tail| context should be global
        """, "context"),
    concept("repo", "repo", "repo:{x}", 1,
        """
        in the {x} repo
        in the {x} repository
        in repo {x}
        in {x}
        inside the {x} repo
        within the {x} repository
        from the {x} repo
        of the {x} repository
        in our {x} repo
        in the repository called {x}
        in the repository {x}
        that live in {x}
        lead| in {x},
        lead| in the {x} repo,
        lead| within {x},
        tail| in the repo {x}
        tail| only in {x}
        """,
        """
        across the {x} codebase
        inside repository {x}
        belonging to the {x} project
        lead| looking only at {x},
        """, _REPOS),
    concept("either_repo", "repo", "(repo:{x} OR repo:{y})", 1,
        """
        in {x} or {y}
        in either {x} or {y}
        in the {x} or {y} repos
        in repo {x} or repo {y}
        in the repositories {x} or {y}
        from {x} or {y}
        within {x} or {y}
        lead| in {x} or {y},
        lead| in either {x} or {y},
        tail| in the {x} repo or the {y} repo
        """,
        """
        inside one of {x} and {y}
        in any of the two repos {x} and {y}
        """, _REPOS + " rev"),
    concept("repo_topic", "topic", "repo:has.topic({x})", 1,
        """
        in repos tagged with the topic {x}
        in repositories with the topic {x}
        in repos about the topic {x}
        in repositories having topic {x}
        in repos with topic {x}
        from repos under the topic {x}
        in repositories that carry the topic {x}
        lead| in repos with the topic {x},
        lead| among repositories with topic {x},
        tail| in repos whose topic is {x}
        """,
        """
        in repos labelled with topic {x}
        in repositories listed under topic {x}
        """, _REPOS + " rev"),
    concept("repo_file", "file", "repo:has.file({x})", 1,
        """
        in repos that have a {x}
        in repositories that contain a {x} file
        in repos with a {x} file
        in repositories having a file {x}
        in repos containing a {x} file
        in projects that have a {x} file
        in repos where there is a {x}
        lead| in repos that have a {x} file,
        lead| among repositories with a {x},
        tail| in repositories that have a file named {x}
        """,
        """
        in repos that ship a {x}
        in repositories which include a {x} file
        """, _REPOS + " rev"),
    concept("repo_active", "date", "repo:has.commit.after({x})", 1,
        """
        in repos with commits after {x}
        in repos active since {x}
        in repositories that have commits since {x}
        in repos that had a commit after {x}
        in repositories changed after {x}
        in repos updated since {x}
        in repositories with activity since {x}
        lead| in repos active since {x},
        lead| among repositories with commits after {x},
        tail| in repos with new commits since {x}
        """,
        """
        in repos still alive after {x}
        in repositories that received commits after {x}
        """, _REPOS + " rev"),
    concept("not_repo", "repo", "-repo:{x}", 2,
        """
        outside the {x} repo
        but not in {x}
        not in the {x} repository
        excluding the {x} repo
        except in {x}
        anywhere except the {x} repo
        everywhere but {x}
        lead| outside of {x},
        tail| excluding {x}
        tail| ignoring the {x} repo
        tail| but skip the {x} repository
        """,
        """
        with the {x} repo left out
        tail| leaving aside the repo {x}
        """, "repo either_repo"),
    concept("rev", "branch", "rev:{x}", 3,
        """
        on the {x} branch
        on branch {x}
        at revision {x}
        at {x}
        on {x}
        at the revision {x}
        on the branch {x}
        at tag {x}
        at the {x} tag
        lead| on the {x} branch,
        lead| at revision {x},
        tail| branch {x}
        """,
        """
        as of revision {x}
        from the {x} branch
        tail| checked out at {x}
        """),
)  # fmt: skip

_FLAGS = (
    concept("fork", "", "fork:yes", 4,
        """
        including forks
        including forked repos
        in forks too
        in forks as well
        with forks included
        and include forks
        tail| including forks
        tail| include forks
        tail| forks included
        tail| forks too
        tail| also search forks
        """,
        """
        tail| do not skip forks
        tail| counting forks in
        together with forks
        """, "fork_only"),
    concept("fork_only", "", "fork:only", 4,
        """
        only in forks
        in forks only
        in forked repos only
        just in forks
        limited to forks
        that live in forks only
        only in forked repositories
        lead| only in forks,
        lead| in forks only,
        tail| forks only
        tail| only forks
        """,
        """
        tail| nothing but forks
        exclusively in forks
        """, "fork"),
    concept("archived", "", "archived:yes", 5,
        """
        including archived repos
        including archived repositories
        in archived repos too
        in archived repositories as well
        with archived repos included
        and include archived repos
        tail| including archived ones
        tail| include archived repos
        tail| archived repos too
        tail| archived included
        tail| also search archived repos
        """,
        """
        together with archived repos
        tail| do not skip archived repositories
        """, "archived_only"),
    concept("archived_only", "", "archived:only", 5,
        """
        only in archived repos
        in archived repos only
        in archived repositories only
        just in archived repos
        limited to archived repositories
        only in archived repositories
        lead| only in archived repos,
        lead| in archived repositories only,
        tail| archived repos only
        tail| only archived repositories
        """,
        """
        exclusively in archived repos
        tail| nothing but archived repositories
        """, "archived"),
    concept("public", "", "visibility:public", 6,
        """
        in public repos
        in public repositories
        in public repos only
        only in public repositories
        from public repos
        within public repositories
        limited to public repos
        lead| in public repos,
        lead| in the public repositories,
        tail| public repos only
        tail| only public
        """,
        """
        in repos that are public
        in publicly visible repositories
        """, "private"),
    concept("private", "", "visibility:private", 6,
        """
        in private repos
        in private repositories
        in our private repos
        only in private repositories
        from private repos
        within private repositories
        limited to private repos
        lead| in private repos,
        lead| in our private repositories,
        tail| private repos only
        tail| only private
        """,
        """
        in repos that are private
        in non-public repositories
        """, "public"),
)  # fmt: skip

REPO_FILTERS: tuple[Concept, ...] = _WHERE + _FLAGS
"""Filters on which repositories to look in."""
