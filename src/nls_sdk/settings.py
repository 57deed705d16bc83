"""Settings: the config file `nls-finetune.toml`, `.env`, and the environment variables that matter.

    provider = "local"                  # where jobs run
    system_prompt = "Convert …"         # the system message for --url; a run's own model knows its data's

    [providers.local]                   # options of the provider of that name
    [recipe]                            # hyperparameters, see `Recipe`; a base_model beside the file is found
    [serve]                             # see `ServeConfig`
    [data]                              # train, val, evaluations: paths, from the config file's folder
    [baselines.openai]                  # options of the baseline of that name

What is said on the command line wins over the environment, that over the file, that over the defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import msgspec
from attrs import field, frozen

from .errors import ConfigError, NlsError
from .evaluation.files import EVALUATIONS
from .prompt import SYSTEM_PROMPT
from .recipe import Recipe, from_mapping, refuse_unknown
from .serve_config import ServeConfig

CONFIG_FILE = "nls-finetune.toml"
DEFAULT_PROVIDER = "modal"
T = TypeVar("T", bound=attrs.AttrsInstance)


@frozen(kw_only=True)
class DataPaths:
    """Where the data lies.

    Attributes:
        train: What is trained on, OpenAI messages JSONL.
        val: What is evaluated on, in the same form.
        evaluations: The folder of evaluation and baseline files.
    """

    train: Path = Path("data/datasets/processed/train.jsonl")
    val: Path = Path("data/datasets/processed/val.jsonl")
    evaluations: Path = EVALUATIONS

    def under(self, root: Path) -> DataPaths:
        """The same paths, relative ones taken from `root`."""
        return DataPaths(train=root / self.train, val=root / self.val, evaluations=root / self.evaluations)


@frozen(kw_only=True)
class Settings:
    """What a config file says.

    Attributes:
        provider: Name of the provider.
        system_prompt: The system message for a server that is not a run's; a run's own model is asked with
            that of its training data.
        providers: Options of providers, by the provider's name.
        baselines: Options of baselines, by the baseline's name.
        recipe: Hyperparameters.
        serve: How models are served.
        data: Where the data lies.
        source: The file this was read from; None when there is none.
    """

    provider: str = DEFAULT_PROVIDER
    system_prompt: str = SYSTEM_PROMPT
    providers: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    baselines: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    recipe: Recipe = field(factory=Recipe)
    serve: ServeConfig = field(factory=ServeConfig)
    data: DataPaths = field(factory=DataPaths)
    source: Path | None = None

    @classmethod
    def from_toml(cls, path: Path) -> Settings:
        """Read a config file.

        Raises:
            ConfigError: It is not there, is not TOML, or holds a key or value that is not known.
            RecipeError: Its `[recipe]` table holds one.
        """
        values = _read_toml(path)
        known = [attribute.name for attribute in attrs.fields(cls) if attribute.name != "source"]
        refuse_unknown(values, known, str(path), ConfigError)
        recipe = Recipe.from_mapping(_table(values, "recipe", path), source=f"{path}: [recipe]")
        if (folder := path.parent / recipe.base_model).is_dir():
            recipe = attrs.evolve(recipe, base_model=str(folder))
        serve = from_mapping(ServeConfig, _table(values, "serve", path), f"{path}: [serve]", ConfigError)
        data = _convert(_table(values, "data", path), DataPaths, f"{path}: [data]")
        plain = {k: v for k, v in values.items() if k not in ("recipe", "serve", "data")}
        told = _convert(plain, cls, str(path))
        return attrs.evolve(told, recipe=recipe, serve=serve, data=data.under(path.parent), source=path)

    @classmethod
    def find(cls, start: Path) -> Settings:
        """Read the `nls-finetune.toml` of a folder or the nearest of its parents, or take the defaults."""
        path = find_upwards(CONFIG_FILE, start)
        return cls.from_toml(path) if path else cls()


@frozen
class Variable:
    """An environment variable that matters.

    Attributes:
        name: Its name.
        purpose: What it is for.
        remedy: How to come by it.
        provider: The provider that reads it; empty when it is not a provider's.
        partner: A variable that must be set when this one is.
        secret: Whether its value is never shown.
        is_path: Whether it is a path, which in a `.env` counts from that file's folder.
    """

    name: str
    purpose: str
    remedy: str
    provider: str = ""
    partner: str = ""
    secret: bool = True
    is_path: bool = False


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "MODAL_TOKEN_ID",
        "for verify env, upload-data, dry-run, train, merge and deploy at Modal",
        "`modal token new`, or a token of https://modal.com/settings/tokens in .env",
        provider="modal",
        partner="MODAL_TOKEN_SECRET",
    ),
    Variable(
        "MODAL_TOKEN_SECRET",
        "the other half of MODAL_TOKEN_ID",
        "`modal token new`, or a token of https://modal.com/settings/tokens in .env",
        provider="modal",
        partner="MODAL_TOKEN_ID",
    ),
    Variable("OPENAI_API_KEY", "for eval baseline", "a key of https://platform.openai.com/api-keys in .env"),
    Variable(
        "OPENAI_BASE_URL",
        "for eval baseline at another OpenAI-compatible API",
        "the API's base URL, ending in /v1",
        secret=False,
    ),
    Variable(
        "HF_TOKEN",
        "for base models that the model hub guards",
        "a token of https://huggingface.co/settings/tokens in .env",
    ),
    Variable("NLS_PROVIDER", "the provider, where --provider is not given", "its name", secret=False),
    Variable("NLS_HOME", "the local provider's home folder", "a path", secret=False, is_path=True),
    Variable("NLS_DEBUG", "1 shows the traceback of an error", "1", secret=False),
)


def load_env(start: Path) -> dict[str, str]:
    """Put the variables of the nearest `.env` into the environment, where they are not set yet.

    Returns:
        Where each set variable of `VARIABLES` came from: `environment`, or the path of the `.env`.

    Raises:
        ConfigError: The `.env`, or a line of it, cannot be read; no value is told.
    """
    names = [variable.name for variable in VARIABLES]
    sources = {name: "environment" for name in names if name in os.environ}
    path = find_upwards(".env", start)
    if path is not None:
        for name, value in _read_env(path).items():
            if value and name not in os.environ:
                is_path = any(variable.name == name and variable.is_path for variable in VARIABLES)
                os.environ[name] = str(path.parent / Path(value).expanduser()) if is_path else value
                if name in names:
                    sources[name] = str(path)
    return {name: source for name, source in sources.items() if os.environ[name]}


def half_set(variable: Variable) -> bool:
    """Whether a variable is set and its partner is not."""
    set_ = bool(os.environ.get(variable.name))
    return bool(variable.partner) and set_ and not os.environ.get(variable.partner)


def require_pairs(provider: str) -> None:
    """Look at the variables that a provider needs in pairs, before any work starts.

    Raises:
        ConfigError: One of a pair is set and the other is not.
    """
    for variable in VARIABLES:
        if variable.provider == provider and half_set(variable):
            raise ConfigError(
                f"{variable.name} is set and {variable.partner} is not.",
                hint=f"Set both or neither: {variable.remedy}.",
            )


def find_upwards(name: str, start: Path) -> Path | None:
    """The file of that name in a folder or the nearest of its parents."""
    start = start.resolve()
    return next((folder / name for folder in (start, *start.parents) if (folder / name).is_file()), None)


def parse_assignment(text: str, *, example: str = "--set learning_rate=1e-4") -> tuple[str, Any]:
    """Read `KEY=VALUE`; the value is TOML where it can be (`1e-4`, `true`, `"a"`), else the text itself.

    Args:
        text: The assignment.
        example: One that would do, for the hint.

    Raises:
        ConfigError: There is no `=`, or no key before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{text!r} is not KEY=VALUE.", hint=f"For example: {example}")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
    return key.strip(), parsed["value"] if parsed.keys() == {"value"} else value.strip()


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """The recipe with the `KEY=VALUE` assignments applied, the last of a key winning.

    Raises:
        ConfigError: An assignment is not one.
        RecipeError: A key is unknown, or a value is wrong.
    """
    values = dict(parse_assignment(text) for text in assignments)
    return Recipe.from_mapping({**attrs.asdict(recipe), **values}, source="--set") if values else recipe


def override_serving(config: ServeConfig, assignments: Iterable[str]) -> ServeConfig:
    """The serving configuration with the `KEY=VALUE` assignments applied, the last of a key winning.

    Raises:
        ConfigError: An assignment is not one, a key is unknown, or a value is wrong.
    """
    values = dict(parse_assignment(text, example="--set precision=fp8") for text in assignments)
    return ServeConfig.from_mapping({**attrs.asdict(config), **values}, source="--set") if values else config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not a readable TOML file: {error}.") from None


def _read_env(path: Path) -> dict[str, str | None]:
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8") as file:
            # dotenv passes over a line that it cannot read, and its variable is not set.
            for binding in parse_stream(file):
                if binding.error:
                    text = binding.original.string
                    line = binding.original.line + text[: -len(text.lstrip())].count("\n")
                    raise ConfigError(
                        f"{path}:{line}: not NAME=VALUE.",
                        hint="Mend or remove the line: its variable would not be set. A value with spaces "
                        "or '#' goes in quotes, which must be closed.",
                    )
        return dotenv_values(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: cannot be read: it is not UTF-8.") from None


def _table(values: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {name!r} must be a table: [{name}].")
    return table


def _convert(values: dict[str, Any], cls: type[T], where: str) -> T:
    refuse_unknown(values, [a.name for a in attrs.fields(cls)], where, ConfigError)
    try:
        return msgspec.convert(values, type=cls, dec_hook=lambda kind, value: kind(value))
    except NlsError:
        raise
    except (msgspec.ValidationError, TypeError) as error:
        raise ConfigError(f"{where}: {error}.") from None
