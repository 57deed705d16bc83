"""Modifiers: the filters on files and languages a question adds."""

from __future__ import annotations

from .wordings import Concept, concept

_LANGS = "lang either_lang not_lang"
_FILES = "dir extension file"

FILE_FILTERS: tuple[Concept, ...] = (
    concept("lang", "lang", "lang:{x}", 7,
        """
        pre| {x}
        in {x}
        in {x} files
        in {x} code
        written in {x}
        in {x} sources
        inside {x} files
        within {x} code
        in the {x} language
        lead| in {x},
        lead| in {x} code,
        lead| in {x} files,
        tail| {x} only
        tail| only {x} files
        tail| language {x}
        """,
        """
        coded in {x}
        across {x} source files
        lead| considering just {x} code,
        """, _LANGS + " extension file"),
    concept("either_lang", "lang", "(lang:{x} OR lang:{y})", 7,
        """
        in {x} or {y}
        in {x} or {y} files
        in either {x} or {y}
        written in {x} or {y}
        in {x} or {y} code
        inside {x} or {y} files
        in files written in {x} or {y}
        pre| {x} or {y}
        lead| in {x} or {y},
        tail| {x} or {y} only
        """,
        """
        using {x} or {y}
        coded in either {x} or {y}
        """, _LANGS + " extension file"),
    concept("not_lang", "lang", "-lang:{x}", 8,
        """
        not in {x}
        but not in {x} files
        excluding {x} files
        outside of {x} code
        except in {x}
        in anything but {x}
        in any language except {x}
        tail| no {x} files
        tail| excluding {x}
        tail| ignoring {x} code
        tail| but skip {x} files
        """,
        """
        in languages other than {x}
        tail| leaving {x} code out
        """, _LANGS + " extension file"),
    concept("dir", "dir", "file:{x}", 9,
        """
        in the {x} directory
        under {x}
        in the {x} folder
        inside {x}/
        in directory {x}
        within the {x} folder
        below {x}
        under the {x} directory
        in files under {x}
        somewhere in {x}/
        lead| under {x},
        lead| in the {x} folder,
        tail| only under {x}
        tail| in the folder {x}
        """,
        """
        beneath {x}
        anywhere in the {x} tree
        lead| inside the directory {x},
        """, _FILES + " not_dir"),
    concept("extension", "extension", "file:{x}", 9,
        """
        in {x} files
        in files ending in {x}
        in files ending with {x}
        inside {x} files
        in files with the extension {x}
        in files with a {x} extension
        within {x} files
        in files that end in {x}
        lead| in {x} files,
        lead| in files ending with {x},
        tail| only {x} files
        tail| in {x} files only
        """,
        """
        in files having the {x} suffix
        in files whose names finish with {x}
        """, _FILES + " not_tests " + _LANGS),
    concept("file", "file", "file:{x}", 9,
        """
        in {x}
        in files named {x}
        in files called {x}
        in the file {x}
        in {x} files
        inside {x}
        in any {x}
        within {x}
        in a file called {x}
        lead| in {x},
        lead| in files named {x},
        tail| only in {x}
        tail| file name {x}
        """,
        """
        in every {x} you can see
        in files that go by {x}
        """, _FILES + " " + _LANGS),
    concept("not_dir", "dir", "-file:{x}", 10,
        """
        outside the {x} directory
        not under {x}
        but not in {x}/
        excluding the {x} folder
        except under {x}
        excluding files in {x}
        anywhere but {x}/
        tail| ignoring the {x} directory
        tail| but skip {x}/
        tail| excluding {x}/
        tail| nothing from the {x} folder
        """,
        """
        with the {x} folder left out
        tail| leaving aside the directory {x}
        """, "dir"),
    concept("not_tests", "", "-file:test", 10,
        """
        outside of tests
        excluding tests
        excluding test files
        but not in tests
        not in test files
        except in tests
        without test files
        tail| ignoring tests
        tail| no tests
        tail| skip the tests
        tail| but no test files
        """,
        """
        tail| leaving tests out
        tail| tests do not count
        """),
    concept("owner", "owner", "file:has.owner({x})", 11,
        """
        in files owned by {x}
        in code owned by {x}
        in files that belong to {x}
        in files whose owner is {x}
        in files with owner {x}
        where the owner is {x}
        in files that {x} owns
        lead| in files owned by {x},
        lead| in code that {x} owns,
        tail| code owner {x}
        """,
        """
        in files under the ownership of {x}
        in files maintained by the owner {x}
        """),
    concept("also", "identifier word", "file:has.content({x})", 11,
        """
        in files that also contain {x}
        in files that also mention {x}
        in files also containing {x}
        in files which also use {x}
        in files that have {x} too
        in files that include {x} as well
        in files where {x} also appears
        inside files that also contain {x}
        lead| in files that also contain {x},
        lead| in files also mentioning {x},
        """,
        """
        in files where {x} is present too
        in files sharing {x} as well
        """),
)  # fmt: skip
"""Filters on which files to look in."""
