"""Dataset: questions and the queries that answer them, as OpenAI messages JSONL."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from attrs import field, frozen

from .errors import DataError
from .prompt import SYSTEM_PROMPT, Message, prompt

_ROLES = ("system", "user", "assistant")
_SHOWN = 20


@frozen
class Example:
    """One conversation: what the model is told, and what it should answer.

    Attributes:
        messages: An optional system message, the user's question, the assistant's query.
        metadata: Whatever else the row says, such as its intent; reports slice by it.
        line: The line it was read from, from 1; None when it was made in memory.
    """

    messages: tuple[Message, ...]
    metadata: Mapping[str, Any] = field(factory=dict)
    line: int | None = field(default=None, eq=False)

    @classmethod
    def of(cls, question: str, query: str, *, system: str = SYSTEM_PROMPT, **metadata: Any) -> Example:
        """Make an example from a question and its query."""
        return cls((*prompt(question, system=system), Message(role="assistant", content=query)), metadata)

    @property
    def system(self) -> str:
        """The system message; empty when there is none."""
        first = self.messages[0]
        return first["content"] if first["role"] == "system" else ""

    @property
    def question(self) -> str:
        """What the user asks."""
        return self.messages[-2]["content"]

    @property
    def query(self) -> str:
        """The answer that is expected."""
        return self.messages[-1]["content"]

    def to_row(self) -> dict[str, Any]:
        """The example as a row of JSONL."""
        row: dict[str, Any] = {"messages": list(self.messages)}
        return {**row, "metadata": dict(self.metadata)} if self.metadata else row


@frozen
class Finding:
    """Something wrong with a row of data.

    Attributes:
        line: The row's line, from 1; None when the whole data is meant.
        message: What is wrong and what was expected.
        column: The column, from 1, where the JSON broke off.
    """

    line: int | None
    message: str
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.line, self.column) if part is not None)
        return f"{place}: {self.message}" if place else self.message


@frozen
class Dataset(Sequence[Example]):
    """Examples in a fixed order.

    Attributes:
        examples: The examples.
        source: The file they came from, for messages.
    """

    examples: tuple[Example, ...]
    source: Path | None = field(default=None, eq=False)

    @classmethod
    def from_jsonl(cls, path: str | Path) -> Dataset:
        """Read OpenAI messages JSONL: `{"messages": [{"role": …, "content": …}, …]}` a line.

        Raises:
            DataError: There is no such file, it is empty, or a line is not such a row; it names the file,
                line and column of the first and counts the rest.
        """
        source = Path(path)
        examples, findings = read_jsonl(source)
        if findings:
            first, rest = findings[0], len(findings) - 1
            raise DataError(
                first.message + (f" ({rest} more lines are wrong)" if rest else ""),
                path=source,
                line=first.line,
                column=first.column,
                hint="`nls-finetune verify data` lists every line that is wrong.",
            )
        return cls(tuple(examples), source)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]], *, system: str = SYSTEM_PROMPT) -> Dataset:
        """Make a dataset of (question, query) pairs.

        Raises:
            DataError: What is given is no pair, or a text is empty or cannot be encoded; the line is the
                pair's number.
        """
        examples = []
        for number, pair in enumerate(pairs, 1):
            try:
                question, query = _pair(pair)
                example = Example.of(question, query, system=system)
                _check_messages(example.messages)
            except DataError as error:
                raise DataError(error.message, line=number) from None
            examples.append(example)
        return cls(tuple(examples))

    def verify(self) -> Dataset:
        """Return the dataset itself when nothing is wrong with it.

        Raises:
            DataError: It is empty, has duplicates or several system messages; all findings are listed, up to
                twenty.
        """
        findings = self.findings()
        if findings:
            listed = "\n".join(f"  {finding}" for finding in findings[:_SHOWN])
            more = f"\n  and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
            raise DataError(f"{len(findings)} findings:\n{listed}{more}", path=self.source)
        return self

    def findings(self) -> list[Finding]:
        """What is wrong with the data as a whole: no examples, two system messages, a question twice."""
        if not self.examples:
            return [Finding(None, "no examples")]
        found = [
            Finding(
                example.line, f"the system message is not that of the first example: {example.system[:60]!r}"
            )
            for example in self.examples
            if example.system != self.system
        ]
        seen: dict[tuple[str, ...], Example] = {}
        for example in self.examples:
            asked = tuple(message["content"] for message in example.messages[:-1])
            first = seen.setdefault(asked, example)
            if first is not example:
                what = (
                    "duplicate" if first.query == example.query else "the same question with another answer"
                )
                found.append(Finding(example.line, f"{what} of line {first.line}: {example.question[:60]!r}"))
        return found

    def split(self, *, val: float = 0.1, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split at random into training and validation data, each in the original order.

        Rows that ask the same question stay on the same side.

        Args:
            val: Share of the questions that goes to validation, above 0 and below 1.
            seed: Decides the choice.

        Raises:
            DataError: A side would be empty.
        """
        if not 0 < val < 1:
            raise DataError(f"split(val={val}): val must be above 0 and below 1", path=self.source)
        questions = sorted({example.question for example in self.examples})
        held = set(random.Random(seed).sample(questions, round(len(questions) * val)))
        if not held or len(held) == len(questions):
            raise DataError(f"{len(questions)} questions cannot be split with val={val}", path=self.source)
        kept = tuple(example for example in self.examples if example.question not in held)
        apart = tuple(example for example in self.examples if example.question in held)
        return Dataset(kept, self.source), Dataset(apart, self.source)

    def sample(self, n: int, *, seed: int = 0) -> Dataset:
        """At most `n` examples, chosen at random; the 50 of a seed are among its 100."""
        return Dataset(tuple(self.examples[i] for i in sorted(self.order(seed)[:n])), self.source)

    def order(self, seed: int = 0) -> list[int]:
        """The places of all examples, shuffled; its first `n` are those of the seed's sample."""
        order = list(range(len(self.examples)))
        random.Random(seed).shuffle(order)
        return order

    def write(self, path: str | Path) -> Path:
        """Write JSONL that `from_jsonl` reads back as an equal dataset, by rename: never half a file."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.part")
        temporary.write_bytes(b"".join(self._lines()))
        temporary.replace(target)
        return target

    @property
    def system(self) -> str:
        """The system message of the first example, which all should share; empty when there is none."""
        return self.examples[0].system if self.examples else ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what `write` writes, in hex."""
        digest = hashlib.sha256()
        for line in self._lines():
            digest.update(line)
        return digest.hexdigest()

    def _lines(self) -> Iterator[bytes]:
        for example in self.examples:
            yield json.dumps(example.to_row(), ensure_ascii=False, sort_keys=True).encode() + b"\n"

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Example | Dataset:
        if isinstance(index, slice):
            return Dataset(self.examples[index], self.source)
        return self.examples[index]

    def __repr__(self) -> str:
        noun = "example" if len(self) == 1 else "examples"
        return f"<Dataset of {len(self)} {noun}{f' from {self.source}' if self.source else ''}>"


def read_jsonl(path: Path) -> tuple[list[Example], list[Finding]]:
    """Read all rows of a file that can be read, and say what is wrong with the others.

    Raises:
        DataError: The file cannot be read at all.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise DataError(
            "no such file", path=path, hint="`nls-finetune demo --data-only` writes data to start with."
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    examples: list[Example] = []
    findings: list[Finding] = []
    with file:
        for number, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            try:
                examples.append(parse_row(raw, number))
            except DataError as error:
                findings.append(Finding(number, error.message.removeprefix(f"{number}: "), error.column))
    if not examples and not findings:
        findings.append(Finding(None, "the file is empty; expected one JSON object a line"))
    return examples, findings


def parse_row(raw: bytes, line: int | None = None) -> Example:
    """Read one row.

    Raises:
        DataError: It is not a row; the message says what was expected.
    """
    try:
        row = json.loads(raw.rstrip())
    except UnicodeDecodeError as error:
        raise _row_error(f"not UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise _row_error(f"not JSON: {error.msg} at column {error.colno}", error.colno) from None
    except RecursionError:
        raise _row_error("not JSON: nested too deeply") from None
    except ValueError as error:
        raise _row_error(f"not JSON that can be read: {error}") from None
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise _row_error('expected an object with a list "messages"')
    messages = _check_messages(row["messages"])
    metadata = row.get("metadata", {})
    if not isinstance(metadata, dict):
        raise _row_error('"metadata" must be an object')
    return Example(messages, metadata, line)


def _pair(value: object) -> tuple[str, str]:
    # A text of two letters and a mapping of two keys would unpack too.
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise _row_error(f"expected a pair of question and query, not {repr(value)[:60]}")
    question, query = value
    return question, query


def _check_messages(messages: Iterable[Any]) -> tuple[Message, ...]:
    checked = tuple(_message(i, message) for i, message in enumerate(messages))
    _check_roles([message["role"] for message in checked])
    return checked


def _message(index: int, message: Any) -> Message:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise _row_error(f'{where}: expected an object with "role" and "content"')
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise _row_error(f'{where}: "role" is {role!r}, expected system, user or assistant')
    if not isinstance(content, str) or not content.strip():
        raise _row_error(f'{where}: "content" must be a text that is not empty')
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise _row_error(
            f'{where}: "content" holds half a character (a lone surrogate) at {error.start + 1}'
        ) from None
    return Message(role=role, content=content)


def _check_roles(roles: list[str]) -> None:
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise _row_error(
            f"roles are {', '.join(roles) or 'none'}; expected user and assistant, and at most a "
            "system message before them"
        )


def _row_error(message: str, column: int | None = None) -> DataError:
    error = DataError(message)
    error.column = column
    return error
