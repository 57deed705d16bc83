"""Every hyperparameter of the fine-tune, each once, with its default."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import attrs
from attrs import frozen

from .errors import NlsError, RecipeError

T = TypeVar("T", bound=attrs.AttrsInstance)
Rules: TypeAlias = Mapping[str, tuple[Callable[[Any], bool], str]]
"""Of a field: what its value must fulfil, and that in words."""


@frozen(kw_only=True)
class Recipe:
    """How a model is fine-tuned: TRL's `SFTTrainer` with a PEFT LoRA adapter.

    One optimizer step sees `per_device_batch_size * gradient_accumulation_steps` examples.

    Attributes:
        base_model: A model hub id, or the path of a folder that holds a model.
        lora_r: Rank of the adapter's matrices.
        lora_alpha: The adapter's output is scaled by `lora_alpha / lora_r`.
        lora_dropout: Dropout on the adapter's input, 0 to below 1.
        target_modules: Which layers get an adapter: PEFT's `all-linear`, or their names with commas between.
        epochs: Passes over the training data; a fraction stops within one.
        max_steps: Optimizer steps; 0 leaves it to `epochs`.
        per_device_batch_size: Examples in one forward pass. The lean step takes at most so many on a CPU; on
            a GPU it takes as many of a step as its free memory holds, so that there only the product counts.
        gradient_accumulation_steps: Forward passes in one optimizer step.
        learning_rate: The peak rate.
        lr_scheduler: How the rate falls after the warm-up.
        warmup_ratio: Share of the steps over which the rate rises from 0.
        weight_decay: AdamW's decay.
        max_grad_norm: Gradients are clipped to this norm.
        max_length: Tokens of the longest example; a longer one fails verification.
        dtype: What the weights are held in. `auto` is bfloat16 on a GPU that has it, else float32.
        gradient_checkpointing: Trade time for memory.
        checkpoint_steps: Optimizer steps between checkpoints.
        logging_steps: Optimizer steps between progress events.
        seed: Seeds the adapter's start and the order of the examples.
    """

    base_model: str = "Qwen/Qwen3-1.7B"
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: str = "all-linear"
    epochs: float = 3.0
    max_steps: int = 0
    per_device_batch_size: int = 4
    gradient_accumulation_steps: int = 2
    learning_rate: float = 2e-4
    lr_scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 512
    dtype: Literal["auto", "bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = False
    checkpoint_steps: int = 100
    logging_steps: int = 5
    seed: int = 42

    def __attrs_post_init__(self) -> None:
        settle(self, _RULES, RecipeError)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, source: str = "Recipe") -> Recipe:
        """Make a recipe from plain values, such as a TOML table.

        Raises:
            RecipeError: A key is unknown (the message names it and the nearest real one), or a value has
                the wrong type or is out of range.
        """
        return from_mapping(cls, values, source, RecipeError)

    @classmethod
    def from_toml(cls, path: str | Path) -> Recipe:
        """Read a recipe from a TOML file: its `[recipe]` table if it has one, else the whole file.

        Raises:
            RecipeError: There is no such file, it is not TOML, or it holds a wrong key or value.
        """
        try:
            values = tomllib.loads(Path(path).read_text("utf-8"))
        except FileNotFoundError:
            raise RecipeError(f"{path}: no such file.") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RecipeError(f"{path}: not a readable TOML file: {error}.") from None
        return cls.from_mapping(values.get("recipe", values), source=str(path))

    def to_toml(self, path: str | Path) -> Path:
        """Write every hyperparameter to a TOML file that `from_toml` reads back as an equal recipe."""
        import tomli_w

        target = Path(path)
        target.write_text(tomli_w.dumps({"recipe": attrs.asdict(self)}), "utf-8")
        return target

    @property
    def layers(self) -> list[str]:
        """The names in `target_modules`; `all-linear` stands alone, for all of them."""
        return _names(self.target_modules)

    @property
    def effective_batch_size(self) -> int:
        """Examples in one optimizer step."""
        return self.per_device_batch_size * self.gradient_accumulation_steps


def refuse_unknown(keys: Iterable[str], known: Sequence[str], source: str, error: type[NlsError]) -> None:
    """Refuse keys that are not known.

    Raises:
        NlsError: Of the type `error`; it names the key, where it stands, and the nearest real one.
    """
    for key in keys:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The keys are {', '.join(known)}."
            raise error(f"{source}: unknown key {key!r}.", hint=hint)


def from_mapping(cls: type[T], values: Mapping[str, Any], source: str, error: type[NlsError]) -> T:
    """Make a value that settles itself (see `settle`) from plain values that came from `source`.

    Raises:
        NlsError: Of the type `error`; it names the source and the key that is unknown or has a wrong value.
    """
    refuse_unknown(values, [attribute.name for attribute in attrs.fields(cls)], source, error)
    try:
        return cls(**values)
    except error as found:
        raise error(f"{source}: {found.message.removeprefix(f'{cls.__name__}: ')}") from None


def settle(value: attrs.AttrsInstance, rules: Rules, error: type[NlsError]) -> None:
    """Hold every field of a value to the type of its default, in place, and to its rule.

    A whole number may stand for a fraction: two values that mean the same are the same, whether they came
    from Python or from a file.

    Raises:
        NlsError: Of the type `error`; it names the field that has another type, is not a finite number, or
            breaks its rule.
    """
    owner = type(value).__name__
    for attribute in attrs.fields(type(value)):
        given, kind = getattr(value, attribute.name), type(attribute.default)
        if kind is float and type(given) is int:
            given = float(given)
            object.__setattr__(value, attribute.name, given)
        if type(given) is not kind or (kind is float and not math.isfinite(given)):
            raise error(f"{owner}: {attribute.name} = {given!r}, but it must be {_KINDS[kind]}.")
    for name, (holds, rule) in rules.items():
        if not holds(getattr(value, name)):
            raise error(f"{owner}: {name} = {getattr(value, name)!r}, but it must be {rule}.")


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",")]


_KINDS: dict[type, str] = {
    float: "a finite number",
    int: "a whole number",
    str: "a text",
    bool: "true or false",
}

_RULES: Rules = {
    "base_model": (lambda v: bool(v.strip()), "a hub id or a folder"),
    "target_modules": (
        lambda v: all(_names(v)) and ("all-linear" not in _names(v) or len(_names(v)) == 1),
        "'all-linear' alone, or names of layers with commas between",
    ),
    "lora_r": (lambda v: v >= 1, "at least 1"),
    "lora_alpha": (lambda v: v >= 1, "at least 1"),
    "lora_dropout": (lambda v: 0 <= v < 1, "from 0 to below 1"),
    "epochs": (lambda v: v > 0, "above 0"),
    "max_steps": (lambda v: v >= 0, "0 or more"),
    "per_device_batch_size": (lambda v: v >= 1, "at least 1"),
    "gradient_accumulation_steps": (lambda v: v >= 1, "at least 1"),
    "learning_rate": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
    "warmup_ratio": (lambda v: 0 <= v < 1, "from 0 to below 1"),
    "weight_decay": (lambda v: 0 <= v <= 1, "from 0 to 1"),
    "max_grad_norm": (lambda v: v > 0, "above 0"),
    "max_length": (lambda v: v >= 16, "at least 16"),
    "checkpoint_steps": (lambda v: v >= 1, "at least 1"),
    "logging_steps": (lambda v: v >= 1, "at least 1"),
    "seed": (lambda v: 0 <= v < 2**32, "from 0 to 4294967295"),
    "lr_scheduler": (lambda v: v in ("cosine", "linear", "constant"), "cosine, linear or constant"),
    "dtype": (lambda v: v in ("auto", "bfloat16", "float32"), "auto, bfloat16 or float32"),
}
