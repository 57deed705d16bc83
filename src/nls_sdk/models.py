"""Adapter and MergedModel: what training and merging make."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from attrs import field, frozen

from .artifacts import Artifact
from .endpoint import Endpoint
from .errors import ArtifactError, ConfigError
from .events import Ready, Succeeded
from .prompt import SYSTEM_PROMPT
from .providers import ENDED, Provider, require_provider
from .publishing import Precision, card, push_to_hub
from .retry import retry
from .runs import Run
from .serve_config import ServeConfig
from .tasks import Base, Merge, Serve, ServedAdapter

_COLD_TIMEOUT = 600.0
"""Seconds that a server of ours may take to come back after it was scaled to zero."""


@frozen
class Adapter:
    """A LoRA adapter, at the provider that trained it.

    Attributes:
        provider: Where it lies.
        name: The run's name.
        base: The model it was trained on.
        artifact: The adapter's folder, in PEFT's format.
        metrics: What training measured, such as `train_loss`.
        dtype: What it was trained in, and its merged weights will be held in; see `Recipe.dtype`.
        system: The system message of its training data.
    """

    provider: Provider
    name: str
    base: Base
    artifact: Artifact
    metrics: dict[str, float] = field(factory=dict)
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    system: str = SYSTEM_PROMPT

    def merge(self) -> Run[MergedModel]:
        """Fold the adapter into its base model.

        Raises:
            RunNameTaken: Another adapter was merged under this name.
        """
        task = Merge(
            name=self.name, base=self.base, adapter=self.artifact, dtype=self.dtype, system=self.system
        )
        return merge_run(self.provider, retry(lambda: self.provider.submit(task)), task)

    def pull(self, to: str | Path) -> Path:
        """Copy the adapter to a new folder on this machine."""
        return retry(lambda: self.provider.pull(self.artifact, Path(to).expanduser()))


@frozen
class MergedModel:
    """A model that can be served: weights, tokenizer and chat template in one folder.

    Attributes:
        provider: Where it lies.
        name: The run's name.
        artifact: The model's folder. A model that was never fine-tuned may also be a hub id.
        system: The system message that it is asked with: that of its training data.
    """

    provider: Provider
    name: str
    artifact: Base
    system: str = SYSTEM_PROMPT

    @classmethod
    def untuned(
        cls, base_model: str, provider: Provider, *, name: str = "untuned", system: str = SYSTEM_PROMPT
    ) -> MergedModel:
        """The base model as it is, to be served and judged beside the fine-tuned one."""
        require_provider(provider, "MergedModel.untuned: provider")
        return cls(provider, name, push_base(provider, base_model), system)

    def deploy(
        self,
        config: ServeConfig | None = None,
        *,
        adapters: Sequence[Adapter] = (),
        detached: bool = False,
        **endpoint: Any,
    ) -> Endpoint:
        """Serve the model and wait until it answers.

        A server of this model that lives already is attached to, and its `with` block does not stop it.

        Args:
            config: How it is served.
            adapters: Adapters of this model to serve beside it, on a GPU; `Endpoint.of_model` asks the one
                of a name. Others under the same names are another server, so that none is asked in vain.
            detached: Whether the server outlives this process. Otherwise it ends with it, however that
                ends; leaving the endpoint's `with` block ends it sooner.
            endpoint: Passed to `Endpoint`.

        Raises:
            RunFailed: The server did not come up; the message is its last word.
            ConfigError: An adapter is another model's, lies elsewhere, or its name is taken.
        """
        lives = self._lives()
        run = self.serve(config, adapters=adapters, detached=detached, **endpoint)
        try:
            made = run.result()
        except BaseException:
            if not lives:
                run.cancel()
            raise
        made.keep = lives
        return made

    def serve(
        self,
        config: ServeConfig | None = None,
        *,
        adapters: Sequence[Adapter] = (),
        detached: bool = False,
        **endpoint: Any,
    ) -> Run[Endpoint]:
        """Like `deploy`, without waiting."""
        config = config or ServeConfig()
        task = Serve(
            name=self.name,
            model=self.artifact,
            config=config,
            adapters=tuple(self._beside(adapter, config, adapters) for adapter in adapters),
            detached=detached,
            system=self.system,
        )
        return serve_run(self.provider, retry(lambda: self.provider.submit(task)), task, **endpoint)

    def _beside(self, adapter: Adapter, config: ServeConfig, all_of_them: Sequence[Adapter]) -> ServedAdapter:
        """An adapter as the task names it, once it is seen to fit."""
        if [other.name for other in all_of_them].count(adapter.name) > 1 or adapter.name == config.model_name:
            raise ConfigError(
                f"Two models of one server cannot both be called {adapter.name!r}.",
                hint="An adapter is served under its run's name, its base under `ServeConfig.model_name`.",
            )
        if adapter.provider.name != self.provider.name:
            raise ConfigError(
                f"The adapter {adapter.name} lies at {adapter.provider.name}, not at {self.provider.name}.",
                hint="Both must lie where they are to be served.",
            )
        if _identity(adapter.base) != _identity(self.artifact):
            raise ConfigError(
                f"The adapter {adapter.name} was trained on another model than {self.name}.",
                hint="Serve adapters beside their base: `MergedModel.untuned(base_model, provider)`.",
            )
        return ServedAdapter(adapter.name, adapter.artifact, adapter.system)

    def _lives(self) -> bool:
        records = {record.run_id: record for record in retry(self.provider.runs)}
        record = records.get(f"{self.name}.{Serve.kind}")
        return record is not None and record.state not in ENDED

    def pull(self, to: str | Path) -> Path:
        """Copy the model to a new folder on this machine."""
        artifact = self.artifact
        if isinstance(artifact, str):
            raise ArtifactError(f"{artifact} is a hub id: nothing is stored at {self.provider.name}.")
        return retry(lambda: self.provider.pull(artifact, Path(to).expanduser()))

    def export(
        self,
        to: str | Path,
        *,
        precision: Precision = "auto",
        base: str | None = None,
        push_to: str | None = None,
        token: str | None = None,
        private: bool = True,
    ) -> Path:
        """Copy the model to a new folder that any server loads, with a model card; on demand, to the hub too.

        Args:
            to: The folder, which must not exist.
            precision: `fp8` writes the layers' weights in eight bits, for vLLM, and needs torch here.
            base: The base model's hub id, for the card.
            push_to: A repository of the hub, `OWNER/NAME`; without it nothing leaves this machine.
            token: A token that may write there; otherwise HF_TOKEN.
            private: Whether a repository that is made is private.

        Raises:
            ArtifactError: The folder exists, or there is nothing to copy or to quantize.
            ConfigError: torch or huggingface_hub is needed and is not here, or the hub refuses.
            ProviderUnavailable: The hub did not answer; the folder stays.
        """
        if precision not in get_args(Precision):
            raise ConfigError(f"precision = {precision!r}, but it must be auto or fp8.")
        quantize = _quantizer() if precision == "fp8" else None
        folder = self.pull(to)
        if quantize is not None:
            try:
                quantize(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
        text = card(self.name, base, self.system, precision)
        (folder / "README.md").write_text(text, "utf-8")
        if push_to is not None:
            push_to_hub(folder, push_to, token=token, private=private)
        return folder


def _quantizer() -> Callable[[Path], int]:
    try:
        from .worker.quantizing import quantize
    except ImportError as error:
        raise ConfigError(
            f"precision = 'fp8' needs {error.name} on this machine.", hint="pip install 'nls-sdk[worker]'"
        ) from None
    return quantize


def merge_run(provider: Provider, run_id: str, task: Merge) -> Run[MergedModel]:
    """The handle of a merge."""

    def finish(end: Ready | Succeeded) -> MergedModel:
        assert isinstance(end, Succeeded)
        return MergedModel(provider, task.name, end.outputs["model"], task.system)

    return Run(provider, run_id, finish)


def serve_run(provider: Provider, run_id: str, task: Serve, **endpoint: Any) -> Run[Endpoint]:
    """The handle of a server; `endpoint` is passed to `Endpoint`."""

    def finish(event: Ready | Succeeded) -> Endpoint:
        assert isinstance(event, Ready)
        key = retry(lambda: provider.api_key(run_id))
        systems = {adapter.name: adapter.system for adapter in task.adapters}
        options = {"system": task.system, "systems": systems, "cold_timeout": _COLD_TIMEOUT, **endpoint}
        return Endpoint(event.url, api_key=key, model=event.model, run=run, **options)

    run: Run[Endpoint] = Run(provider, run_id, finish)
    return run


def _identity(base: Base) -> str:
    return base if isinstance(base, str) else base.digest


def push_base(provider: Provider, base_model: str) -> Base:
    """A base model as tasks name it: a folder is pushed, a hub id stays as it is."""
    folder = Path(base_model).expanduser()
    return retry(lambda: provider.push(folder)) if folder.is_dir() else base_model
