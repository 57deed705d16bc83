"""What a provider is asked to run: frozen values that say everything that decides the result."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec
from attrs import field, frozen

from .artifacts import Artifact
from .prompt import SYSTEM_PROMPT
from .recipe import Recipe
from .serve_config import ServeConfig

Base: TypeAlias = str | Artifact
"""A base model: its id on the model hub, or a folder that was pushed."""


class _Task:
    """What every task has: a `name`, the user's, and a `key`, its identity."""

    kind: ClassVar[str]
    _incidental: ClassVar[frozenset[str]] = frozenset()
    name: str

    def decisive(self) -> dict[str, Any]:
        """Everything that decides the result, as plain values: not the name, for one."""
        body: dict[str, Any] = msgspec.to_builtins(self)
        return {k: v for k, v in body.items() if k != "name" and k not in self._incidental}

    @property
    def key(self) -> str:
        """SHA-256 over what is decisive, artifacts by content alone."""
        decisive = {k: _content(v) for k, v in self.decisive().items()}
        text = json.dumps({"kind": self.kind, **decisive}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """The run this task becomes: `NAME.KIND`, so that one name leads through all stages."""
        return f"{self.name}.{self.kind}"


_HOW_IT_IS_RUN = frozenset(
    {"per_device_batch_size", "gradient_accumulation_steps", "checkpoint_steps", "logging_steps"}
)
"""Hyperparameters that a training may be resumed with others of.

Not `gradient_checkpointing`: it decides which optimizer trains, and one cannot go on from the other's state.
"""


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"path", "digest", "size"}:
            return value["digest"]
        return {k: _content(v) for k, v in value.items() if k != "base_model"}
    return [_content(v) for v in value] if isinstance(value, list) else value


@frozen(kw_only=True)
class Train(_Task):
    """Fine-tune an adapter. Output: `adapter`.

    Attributes:
        name: The run's name.
        base: The base model; it stands for the recipe's `base_model`.
        data: Training data, a JSONL file of messages.
        recipe: Every hyperparameter.
        system: The data's system message, which the model is to be asked with; empty is none.
    """

    kind: ClassVar[str] = "train"
    _incidental: ClassVar[frozenset[str]] = frozenset({"system"})
    name: str
    base: Base
    data: Artifact
    recipe: Recipe
    system: str = SYSTEM_PROMPT

    def decisive(self) -> dict[str, Any]:
        """As of any task, but of a step's batch its size alone, however it is split, and no intervals."""
        values = super().decisive()
        recipe = {k: v for k, v in values["recipe"].items() if k not in _HOW_IT_IS_RUN}
        return {**values, "recipe": {**recipe, "effective_batch_size": self.recipe.effective_batch_size}}


@frozen(kw_only=True)
class DryRun(_Task):
    """The start of a training, to see that it would work; so that how it is run decides its result.

    Attributes:
        name: The run's name.
        base: The base model.
        data: Training data.
        recipe: Every hyperparameter.
        stage: `model` stops after the first forward pass; `train` after three optimizer steps and a
            checkpoint.
    """

    kind: ClassVar[str] = "dry-run"
    name: str
    base: Base
    data: Artifact
    recipe: Recipe
    stage: Literal["model", "train"] = "train"


@frozen(kw_only=True)
class Merge(_Task):
    """Fold an adapter into its base model. Output: `model`, a folder that any server loads.

    Attributes:
        name: The run's name.
        base: The base model that the adapter was trained on.
        adapter: The adapter.
        dtype: What the merged weights are held in, as `Recipe.dtype`; `auto` is what the base's are held in.
        system: The system message that the model was trained with.
    """

    kind: ClassVar[str] = "merge"
    _incidental: ClassVar[frozenset[str]] = frozenset({"system"})
    name: str
    base: Base
    adapter: Artifact
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    system: str = SYSTEM_PROMPT


@frozen
class ServedAdapter:
    """An adapter that is served beside its base model.

    Attributes:
        name: Its name in the API.
        artifact: The adapter's folder, in PEFT's format.
        system: The system message that it was trained with.
    """

    name: str
    artifact: Artifact
    system: str = SYSTEM_PROMPT


@frozen(kw_only=True)
class Serve(_Task):
    """Serve a model over an OpenAI-compatible API. Tells `Ready`, and lives until cancelled or idle.

    Attributes:
        name: The run's name.
        model: A merged model's folder, or a base model.
        config: How it is served.
        adapters: Adapters of this model, served beside it; a request chooses by the name of its model.
        detached: Whether the server outlives the process that asked for it.
        system: The system message that the model was trained with.
    """

    kind: ClassVar[str] = "serve"
    _incidental: ClassVar[frozenset[str]] = frozenset({"detached", "system"})
    name: str
    model: Base
    config: ServeConfig = field(factory=ServeConfig)
    adapters: tuple[ServedAdapter, ...] = ()
    detached: bool = False
    system: str = SYSTEM_PROMPT

    def decisive(self) -> dict[str, Any]:
        """As of any task; what an adapter is asked with decides nothing at the server either."""
        values = super().decisive()
        adapters = [{k: v for k, v in one.items() if k not in self._incidental} for one in values["adapters"]]
        return {**values, "adapters": adapters}

    @property
    def served_as(self) -> str:
        """What its server calls the model besides `config.model_name`: the run, and whose content it is.

        `first.serve@` and the start of the model's SHA-256, or its id on the hub.
        """
        return f"{self.run_id}@{self.model if isinstance(self.model, str) else self.model.digest[:12]}"


Task: TypeAlias = Train | DryRun | Merge | Serve

KINDS: dict[str, type[Task]] = {cls.kind: cls for cls in (Train, DryRun, Merge, Serve)}


def dump_task(task: Task) -> dict[str, Any]:
    """The task as plain values, for `task.json`."""
    return {"kind": task.kind, "key": task.key, **msgspec.to_builtins(task)}


def load_task(values: dict[str, Any]) -> Task:
    """Read back what `dump_task` wrote.

    Raises:
        ValueError: The values are not a task.
    """
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        raise ValueError(f"not a task: kind = {values.get('kind')!r}")
    return msgspec.convert({k: v for k, v in values.items() if k not in ("kind", "key")}, type=kind)


def read_task(path: Path) -> Task:
    """Read a `task.json`."""
    return load_task(json.loads(path.read_text("utf-8")))
