"""Checks before the work: environment, data, config, volumes. They return findings and never raise."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from .artifacts import Artifact, fingerprint
from .dataset import Dataset, Example, Finding, read_jsonl
from .errors import ConfigError, NlsError, PluginError
from .metrics import findings as query_findings
from .metrics import hallucinations, syntax_valid
from .plugins import Role, check_options, installed
from .plugins import provider as make_provider
from .providers import Check, Estimate, Provider
from .recipe import Recipe
from .retry import retry
from .settings import VARIABLES, DataPaths, Settings, Variable, half_set
from .tasks import Base, Train
from .training import push_dataset

CHARACTERS_PER_TOKEN = 3.5
"""For estimates without a tokenizer: English and queries lie between 3 and 4.5 with common vocabularies."""

_LISTED = 20
_TEMPLATE_TOKENS = 5
_Status = Literal["ok", "warning", "failed"]


def verify_env(
    provider: str, *, options: Mapping[str, Any] | None = None, sources: Mapping[str, str] | None = None
) -> list[Check]:
    """Look at the environment variables, the plugins, and what the provider says of itself.

    Args:
        provider: Name of the provider that will do the work.
        options: Passed to it.
        sources: Where each variable that is set came from; see `nls_sdk.settings.load_env`.
    """
    found = [_variable(variable, provider, sources or {}) for variable in VARIABLES]
    for plugin in installed():
        # A broken plugin hurts nobody who does not use it.
        in_use = plugin.role == "provider" and plugin.name == provider
        status: _Status = "ok" if not plugin.problem else "failed" if in_use else "warning"
        found.append(Check(f"{plugin.role} {plugin.name}", status, plugin.problem or plugin.distribution))
    return found + guarded(
        f"provider {provider}", lambda: verify_provider(make_provider(provider, **(options or {})))
    )


def verify_provider(provider: Provider) -> list[Check]:
    """What a provider says of itself."""
    return guarded(f"provider {provider.name}", lambda: list(provider.check()))


def verify_data(
    paths: DataPaths,
    *,
    recipe: Recipe | None = None,
    provider: Provider | None = None,
    limit: int = _LISTED,
) -> list[Check]:
    """Look at every line of the training and validation data.

    Rows that cannot be used fail, and so do duplicates, leaks and answers that the server would refuse or
    silently do only in part, each with its line, its place in the query and the fix. Where nothing failed,
    the training is estimated; for that its data is stored at the provider.

    Args:
        paths: The files.
        recipe: Says how long an example may be; the default recipe otherwise.
        provider: Estimates time and price of the training.
        limit: Findings listed of each kind; the rest is counted.
    """
    recipe = recipe or Recipe()
    found: list[Check] = []
    sets: dict[Path, list[Example]] = {}
    for path in (paths.train, paths.val):
        try:
            sets[path], findings = read_jsonl(path)
        except NlsError as error:
            found.append(Check(str(path), "failed", error.message.removeprefix(f"{path}: "), error.hint))
            continue
        data = Dataset(tuple(sets[path]), path)
        found += _listed(path, "rows", findings, limit)
        found += _listed(path, "duplicates", data.findings() if data else [], limit)
        found += _listed(path, "length", _too_long(data, recipe.max_length), limit)
        found += _answers(path, data, limit)
        if data:
            found.append(Check(str(path), "ok", _summary(data, recipe.max_length)))
    train, val = sets.get(paths.train), sets.get(paths.val)
    if train and val:
        found += _other_prompt(paths.val, val, train[0].system)
        found += _listed(paths.val, "leaks", _leaks(train, val, paths.train), limit)
    if train and provider is not None and not failed(found):
        found += guarded("estimate", lambda: [_estimate(provider, Dataset(tuple(train)), recipe)])
    return found


def verify_config(
    load: Callable[[], Settings], *, make: Callable[[], Provider | None] = lambda: None
) -> list[Check]:
    """Look at the config file, the recipe, and the options of the plugins that the file has.

    Args:
        load: Reads the file.
        make: Makes the provider in force, so that its options' values are tried too; None when it has none.
    """

    def look() -> list[Check]:
        settings = load()
        recipe = settings.recipe
        tried = [_options("provider", name, options) for name, options in settings.providers.items()]
        tried += [_options("baseline", name, options) for name, options in settings.baselines.items()]
        if not failed(tried):
            tried += guarded("provider", lambda: [Check("provider", "ok", repr(p)) for p in [make()] if p])
        return [
            Check("config", "ok", str(settings.source) if settings.source else "no file: the defaults"),
            Check(
                "recipe",
                "ok",
                f"{recipe.base_model}, LoRA r={recipe.lora_r} alpha={recipe.lora_alpha} on "
                f"{recipe.target_modules}, {recipe.epochs:g} epochs, batch {recipe.per_device_batch_size} x "
                f"{recipe.gradient_accumulation_steps}, learning rate {recipe.learning_rate:g} "
                f"{recipe.lr_scheduler}, {recipe.dtype}",
            ),
            *tried,
        ]

    return guarded("config", look)


def _options(role: Role, name: str, options: Mapping[str, Any]) -> Check:
    """What a config file's table of a plugin's options is worth."""
    table = f"[{role}s.{name}]"
    try:
        check_options(role, name, options)
    except PluginError as error:
        # A file may serve machines that have other plugins.
        return Check(table, "warning", error.message, error.hint)
    except ConfigError as error:
        return Check(table, "failed", error.message, error.hint)
    return Check(table, "ok", ", ".join(options) or "no options")


def verify_volumes(provider: Provider) -> list[Check]:
    """Store a small file at the provider, fetch it back, and compare."""

    def look() -> list[Check]:
        with tempfile.TemporaryDirectory(prefix="nls-") as folder:
            sent, came = Path(folder, "sent"), Path(folder, "came")
            # Always the same bytes: stored by content, they are kept once.
            sent.write_text("nls_sdk verify volumes\n", "utf-8")
            artifact = retry(lambda: provider.push(sent))
            retry(lambda: provider.pull(artifact, came))
            if came.read_bytes() != sent.read_bytes():
                return [
                    Check("volumes", "failed", f"{provider.name} gave back other bytes than it was given")
                ]
        return [Check("volumes", "ok", f"{provider.name} stored a file and gave it back")]

    return guarded("volumes", look)


def guarded(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """The findings of a check, or one that tells what kept it from looking."""
    try:
        return look()
    except NlsError as error:
        return [Check(name, "failed", error.message, error.hint)]
    except Exception as error:
        return [Check(name, "failed", f"{type(error).__name__}: {error}")]


def failed(checks: Iterable[Check]) -> bool:
    """Whether one of the checks failed."""
    return any(check.status == "failed" for check in checks)


def _variable(variable: Variable, provider: str, sources: Mapping[str, str]) -> Check:
    name = variable.name
    if half_set(variable):
        return Check(
            name, "failed", f"set, but {variable.partner} is not", f"Set both or neither: {variable.remedy}."
        )
    if value := os.environ.get(name):
        source = sources.get(name, "environment")
        return Check(name, "ok", f"from {source}" if variable.secret else f"{value} (from {source})")
    return Check(name, "ok", f"not set ({variable.purpose})")


def _listed(path: Path, name: str, findings: Sequence[Finding], limit: int) -> list[Check]:
    checks = [
        Check(
            ":".join(str(part) for part in (path, f.line, f.column) if part is not None), "failed", f.message
        )
        for f in findings
    ]
    return _up_to(limit, path, name, checks)


def _up_to(limit: int, path: Path, name: str, checks: list[Check]) -> list[Check]:
    if len(checks) <= limit:
        return checks
    rest = Check(str(path), checks[0].status, f"{name}: {len(checks) - limit} more findings")
    return [*checks[:limit], rest]


def _tokens(example: Example) -> int:
    characters = sum(len(message["content"]) for message in example.messages)
    return round(characters / CHARACTERS_PER_TOKEN) + _TEMPLATE_TOKENS * len(example.messages)


def _too_long(data: Dataset, limit: int) -> list[Finding]:
    sizes = [(example, _tokens(example)) for example in data]
    return [
        Finding(
            example.line, f"about {size} tokens (from its characters); the recipe's max_length is {limit}"
        )
        for example, size in sizes
        if size > limit
    ]


def _other_prompt(path: Path, val: Sequence[Example], system: str) -> list[Check]:
    other = [example for example in val if example.system != system]
    if not other:
        return []
    said = other[0].system
    return [
        Check(
            f"{path}:{other[0].line}",
            "failed",
            f"{len(other)} examples have the system message {said[:60]!r}; the model will be asked with "
            f"{system[:60]!r}, that of its training data",
            "Give both files the same system message.",
        )
    ]


def _answers(path: Path, data: Dataset, limit: int) -> list[Check]:
    """What is wrong with the answers, as queries.

    What the server refuses or silently does not do has no place in training data and fails. Operators that
    it takes and the evaluation does not count, such as ``path:``, are a warning.
    """
    wrong: list[Check] = []
    other: list[Check] = []
    for example in data:
        place, said = f"{path}:{example.line}", f"the answer {example.query[:60]!r}"
        found = query_findings(example.query)
        wrong += [
            Check(place, "failed", f"{said}, column {finding.start + 1}: {finding.message}", finding.fix)
            for finding in found
        ]
        if not found:
            other += [
                Check(
                    place,
                    "warning",
                    f"{said} has {one.name}:, which the evaluation counts as wrong",
                    one.advice,
                )
                for one in hallucinations(example.query)
            ]
    return _up_to(limit, path, "answers", wrong) + _up_to(limit, path, "operators", other)


def _leaks(train: Sequence[Example], val: Sequence[Example], source: Path) -> list[Finding]:
    lines = {_normal(example.question): example.line for example in train}
    return [
        Finding(example.line, f"asks what {source.name}:{lines[_normal(example.question)]} asks")
        for example in val
        if _normal(example.question) in lines
    ]


def _normal(question: str) -> str:
    return " ".join(question.casefold().split()).rstrip(".?!")


def _summary(data: Dataset, max_length: int) -> str:
    sizes = [_tokens(example) for example in data]
    valid = sum(syntax_valid(example.query) for example in data) / len(data)
    return (
        f"{len(data):,} examples, about {sum(sizes):,} tokens at {CHARACTERS_PER_TOKEN} characters a token, "
        f"the longest {max(sizes)} of {max_length}; {valid:.1%} of the answers are valid queries"
    )


def _estimate(provider: Provider, data: Dataset, recipe: Recipe) -> Check:
    name = f"training at {provider.name}"
    try:
        task = Train(
            name="estimate", base=_base(recipe), data=push_dataset(provider, data.verify()), recipe=recipe
        )
        estimate = retry(lambda: provider.estimate(task))
    except NlsError as error:
        # The data is not to blame for a provider that cannot be reached.
        return Check(name, "warning", f"no estimate: {error.message}", error.hint)
    return Check(name, "ok", describe_estimate(estimate))


def _base(recipe: Recipe) -> Base:
    """The base model as the provider would know it; its folder may be large, and is not stored for this."""
    folder = Path(recipe.base_model).expanduser()
    return Artifact(str(folder), *fingerprint(folder)) if folder.is_dir() else recipe.base_model


def describe_estimate(estimate: Estimate) -> str:
    """An estimate as one line of text."""
    minutes = (
        "time unknown" if estimate.seconds is None else f"about {max(estimate.seconds / 60, 0.1):.1f} min"
    )
    price = "price unknown" if estimate.dollars is None else f"${estimate.dollars:.2f}"
    return f"{minutes}, {price} ({estimate.basis})"
