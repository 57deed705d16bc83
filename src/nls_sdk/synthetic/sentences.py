"""Whole-sentence wordings: questions that do not follow the opener, subject, filters pattern.

Each is a sentence with its values in braces, ``{kind}`` or ``{kind2}``, and the query of the same
values. The part after ``=>`` is the query.
"""

from __future__ import annotations

import re

from attrs import frozen


@frozen
class Sentence:
    """One whole-sentence wording.

    Attributes:
        intent: the intent it belongs to.
        text: the question with its slots.
        query: the query with the same slots.
        held: true where only validation may use it.
    """

    intent: str
    text: str
    query: str
    held: bool

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of its slots, in the order of the text."""
        return tuple(re.findall(r"{(\w+)}", self.text))


def _sentences(block: str, held: bool) -> tuple[Sentence, ...]:
    found = []
    for line in block.strip().splitlines():
        intent, _, rest = line.strip().partition("| ")
        text, _, query = rest.partition(" => ")
        found.append(Sentence(intent, text, query, held))
    return tuple(found)


_SEEN = """
symbol| where is {identifier} defined in {repo}? => repo:{repo} type:symbol {identifier}
symbol| in which {lang} file is {identifier} declared? => lang:{lang} type:symbol {identifier}
symbol| where do we define {identifier}? => type:symbol {identifier}
content_in_repo| how is {identifier} used in {repo}? => repo:{repo} {identifier}
content_in_repo| does {repo} use {word}? => repo:{repo} {word}
content_in_repo| is {word} mentioned in {repo}? => repo:{repo} {word}
content_in_language| who uses {identifier} in {lang}? => lang:{lang} {identifier}
content_in_directory| is there any {word} under {dir}? => file:{dir} {word}
content_in_directory| what in {dir} calls {identifier}? => file:{dir} {identifier}
content_in_file| does {file} mention {word}? => file:{file} {word}
commit_author| what has {person} committed to {repo}? => repo:{repo} type:commit author:{person}
commit_author| which commits did {person} make? => type:commit author:{person}
commit_author| what did {person} commit in the last {span}? => type:commit author:{person} after:{span}
commit_message| which commits mention {phrase}? => type:commit message:{phrase}
commit_message| which commits in {repo} say {phrase}? => repo:{repo} type:commit message:{phrase}
commit_dates| what was committed to {repo} since {date}? => repo:{repo} type:commit after:{date}
commit_dates| which commits landed in {repo} before {date}? => repo:{repo} type:commit before:{date}
diff| when did {identifier} change in {repo}? => repo:{repo} type:diff {identifier}
diff| who changed {identifier} in {repo}? => repo:{repo} type:diff {identifier}
diff_author_dates| what did {person} change since {date}? => type:diff author:{person} after:{date}
diff_history| what did {person} change in {repo}? => repo:{repo} type:diff author:{person}
diff_removed| who removed {word} from {repo}? => repo:{repo} type:diff {word} select:commit.diff.removed
diff_removed| when was {identifier} removed? => type:diff {identifier} select:commit.diff.removed
diff_added| who added {identifier} to {repo}? => repo:{repo} type:diff {identifier} select:commit.diff.added
diff_added| when was {identifier} added? => type:diff {identifier} select:commit.diff.added
list_files| which files in {repo} contain {word}? => repo:{repo} {word} select:file
list_repositories| which repos use {word} in {lang}? => lang:{lang} {word} select:repo
list_repositories| which repositories depend on {word}? => {word} select:repo
path| which paths in {repo} contain {word}? => repo:{repo} type:path {word}
repository| do we have a repo named {word}? => type:repo {word}
file_owner| which files owned by {owner} use {word}? => file:has.owner({owner}) {word} select:file
either_term| who uses {identifier} or {identifier2} in {repo}? => repo:{repo} ({identifier} OR {identifier2})
"""

_HELD = """
symbol| what line of {repo} introduces {identifier}? => repo:{repo} type:symbol {identifier}
content_in_repo| has anybody put {word} to work in {repo}? => repo:{repo} {word}
commit_author| what has {person} been up to in {repo}? => repo:{repo} type:commit author:{person}
commit_author| any commits {person} is behind? => type:commit author:{person}
commit_dates| what got committed to {repo} after {date} came around? => repo:{repo} type:commit after:{date}
diff| how did {identifier} evolve in {repo}? => repo:{repo} type:diff {identifier}
diff_removed| who threw {word} out of {repo}? => repo:{repo} type:diff {word} select:commit.diff.removed
list_repositories| name the repos relying on {word} => {word} select:repo
content_in_directory| anything about {word} sitting in {dir}? => file:{dir} {word}
"""

SENTENCES = _sentences(_SEEN, held=False) + _sentences(_HELD, held=True)
"""Every whole-sentence wording."""
