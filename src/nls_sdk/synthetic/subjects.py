"""Subjects: the thing a question looks for. Their wordings are noun phrases."""

from __future__ import annotations

from .wordings import Concept, concept

TERM = "identifier word phrase snippet"

_CODE = (
    concept("term", TERM, "{x}", 30,
        """
        code containing {x}
        code that uses {x}
        places that mention {x}
        usages of {x}
        references to {x}
        mentions of {x}
        lines with {x}
        occurrences of {x}
        code with {x}
        code mentioning {x}
        places where {x} is used
        all uses of {x}
        calls to {x}
        code that has {x}
        matches for {x}
        """,
        """
        spots where {x} shows up
        code featuring {x}
        appearances of {x}
        snippets that include {x}
        """),
    concept("either_term", "identifier word phrase", "({x} OR {y})", 30,
        """
        code containing {x} or {y}
        code that uses {x} or {y}
        {x} or {y}
        either {x} or {y}
        usages of {x} or {y}
        code with either {x} or {y}
        mentions of {x} or {y}
        references to {x} or {y}
        lines with {x} or {y}
        places that mention {x} or {y}
        code that has either {x} or {y}
        """,
        """
        code featuring at least one of {x} and {y}
        appearances of {x} or {y}
        """),
    concept("both_terms", "identifier word phrase", "{x} {y}", 30,
        """
        code containing {x} and {y}
        code that uses both {x} and {y}
        code with both {x} and {y}
        code containing both {x} and {y}
        places that mention {x} and {y}
        {x} together with {y}
        {x} along with {y}
        code mentioning {x} and also {y}
        code that has {x} and {y}
        matches for both {x} and {y}
        """,
        """
        code featuring {x} alongside {y}
        spots where {x} and {y} show up together
        """),
    concept("regex", "regex", "{x}", 30,
        """
        code matching {x}
        lines matching {x}
        code that matches {x}
        matches of the regex {x}
        code matching the regex {x}
        anything matching {x}
        lines that match the regular expression {x}
        matches for the pattern {x}
        text matching {x}
        places matching the regular expression {x}
        """,
        """
        code that fits the pattern {x}
        strings satisfying the regex {x}
        """),
    concept("regexp_mode", "bare_regex", "{x} patterntype:regexp", 52,
        """
        {x} as a regular expression
        {x} as a regex
        {x} interpreted as a regex
        {x} treated as a regular expression
        {x} with regexp pattern type
        {x} using regexp mode
        {x} in regex mode
        code matching {x} in regexp mode
        matches for {x} taken as a regex
        the regexp pattern {x}
        """,
        """
        {x} read as a regular expression
        {x} with regular expressions turned on
        """),
    concept("literal_mode", "identifier word", "{x} patterntype:literal", 52,
        """
        {x} literally
        {x} as a literal string
        the literal string {x}
        {x} as literal text
        {x} in literal mode
        {x} with literal pattern type
        literal matches of {x}
        the literal text {x}
        {x} matched literally
        code matching {x} literally
        """,
        """
        {x} exactly as a literal
        {x} read literally
        """),
    concept("keyword_mode", "identifier word", "{x} patterntype:keyword", 52,
        """
        {x} as a keyword
        {x} in keyword mode
        the keyword {x}
        {x} with keyword pattern type
        {x} using keyword search
        keyword matches of {x}
        {x} treated as a keyword
        {x} by keyword search
        code matching the keyword {x}
        {x} with keyword matching
        """,
        """
        {x} read as a keyword
        {x} under keyword interpretation
        """),
    concept("contents_only", TERM, "type:file {x}", 20,
        """
        {x} in file contents
        {x} in file contents only
        {x} inside file contents
        file contents with {x}
        file contents containing {x}
        {x} within the contents of files
        file content matching {x}
        file contents that mention {x}
        {x} in the contents of files
        file contents that have {x}
        """,
        """
        {x} in what files contain
        the contents of files for {x}
        """),
)  # fmt: skip

_SYMBOLS = (
    concept("symbol", "identifier", "type:symbol {x}", 20,
        """
        the symbol {x}
        symbols named {x}
        the definition of {x}
        symbols called {x}
        where {x} is defined
        symbol definitions of {x}
        the declaration of {x}
        the place where {x} is defined
        where {x} is declared
        symbols matching {x}
        definitions of {x}
        """,
        """
        the spot declaring {x}
        symbols that go by {x}
        where {x} gets introduced
        """),
)  # fmt: skip

_KINDS = tuple(
    concept(f"{kind}_symbol", "identifier", f"type:symbol {{x}} select:symbol.{kind}", 20,
        f"""
        {plural} named {{x}}
        {plural} called {{x}}
        the {kind} {{x}}
        {article} {kind} named {{x}}
        {article} {kind} called {{x}}
        {plural} with the name {{x}}
        the {kind} named {{x}}
        the {kind} called {{x}}
        {plural} matching {{x}}
        {kind} definitions of {{x}}
        """,
        f"""
        {plural} that go by {{x}}
        {article} {kind} whose name is {{x}}
        """)
    for article, kind, plural in (
        ("a", "function", "functions"), ("a", "class", "classes"), ("a", "method", "methods"),
        ("an", "interface", "interfaces"), ("a", "struct", "structs"),
        ("a", "constant", "constants"), ("a", "variable", "variables"),
    )
)  # fmt: skip

_HISTORY = (
    concept("commit", "", "type:commit", 20,
        """
        commits
        the commits
        all commits
        any commits
        commit history
        commits made
        every commit
        the commit history
        the commit log
        commit messages
        """,
        """
        check-in commits
        entries of the commit record
        """),
    concept("diff", TERM, "type:diff {x}", 20,
        """
        diffs containing {x}
        diffs mentioning {x}
        diffs with {x}
        diffs that touch {x}
        changes to {x}
        diffs that mention {x}
        changes that touch {x}
        code changes involving {x}
        diffs involving {x}
        changes involving {x}
        diffs that changed {x}
        """,
        """
        diffs in which {x} shows up
        patches affecting {x}
        edits to {x}
        """),
    concept("any_diff", "", "type:diff", 20,
        """
        diffs
        the diffs
        all diffs
        any diffs
        code changes
        all the code changes
        every diff
        the code changes
        any code changes
        changes to the code
        """,
        """
        edits to the code
        the patches
        """),
    concept("diff_added", TERM, "type:diff {x} select:commit.diff.added", 20,
        """
        diffs that add {x}
        diffs adding {x}
        changes that added {x}
        diffs where {x} was added
        added lines with {x}
        changes adding {x}
        diffs that added {x}
        diffs in which {x} was added
        changes where {x} was added
        lines with {x} added in diffs
        """,
        """
        diffs that introduce {x}
        diffs where {x} is new
        """),
    concept("diff_removed", TERM, "type:diff {x} select:commit.diff.removed", 20,
        """
        diffs that remove {x}
        diffs removing {x}
        changes that removed {x}
        diffs where {x} was removed
        removed lines with {x}
        changes removing {x}
        diffs that removed {x}
        diffs in which {x} was removed
        changes that deleted {x}
        lines with {x} removed in diffs
        """,
        """
        diffs that get rid of {x}
        diffs that drop {x}
        """),
)  # fmt: skip

_PLACES = (
    concept("path", "word identifier", "type:path {x}", 20,
        """
        paths containing {x}
        file paths with {x}
        files with {x} in the path
        paths that contain {x}
        files whose path contains {x}
        file paths matching {x}
        files with {x} in their path
        paths with {x}
        file paths that mention {x}
        paths matching {x}
        """,
        """
        files having {x} somewhere in the path
        paths featuring {x}
        """),
    concept("repository", "word topic", "type:repo {x}", 20,
        """
        repos named {x}
        repositories named {x}
        repos called {x}
        repositories called {x}
        repos with {x} in the name
        repositories whose name contains {x}
        repositories matching {x}
        repos whose name has {x}
        repos with names containing {x}
        repositories with {x} in their name
        """,
        """
        repos that go by {x}
        repositories bearing the name {x}
        """),
    concept("file_list", TERM, "{x} select:file", 30,
        """
        files that contain {x}
        files containing {x}
        files mentioning {x}
        files that mention {x}
        which files contain {x}
        the files that use {x}
        files with {x}
        the list of files containing {x}
        files that use {x}
        which files use {x}
        """,
        """
        files where {x} shows up
        files featuring {x}
        """),
    concept("repo_list", TERM, "{x} select:repo", 30,
        """
        repositories that contain {x}
        repos containing {x}
        repos that mention {x}
        repositories mentioning {x}
        which repos contain {x}
        the repos that use {x}
        repos that use {x}
        the list of repos containing {x}
        which repositories use {x}
        repositories that use {x}
        """,
        """
        repositories where {x} shows up
        repos featuring {x}
        """),
)  # fmt: skip

SUBJECTS: tuple[Concept, ...] = _CODE + _SYMBOLS + _KINDS + _HISTORY + _PLACES
"""Everything a question can be about."""

OPENERS = (
    "find", "show me", "search for", "look for", "list", "get", "find me", "show", "locate",
    "I need", "I want", "give me", "please find", "can you find", "I am looking for", "I'm after",
    "help me find", "fetch", "could you show me", "let's see", "I'd like to see", "",
)  # fmt: skip
"""How a request begins; the last begins with the subject itself."""

OPENERS_HELD = (
    "dig up", "track down", "would you pull up", "bring up", "I have to see", "hunt for",
)  # fmt: skip
"""Beginnings only validation uses."""
