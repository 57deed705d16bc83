"""Fine-tune a small language model to turn plain English into Sourcegraph queries, and prove how good it got.

Everything a user needs is listed here and loaded when it is first asked for, so that `import nls_sdk` stays
as quick as the part of it that is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attaching import attach as attach
    from .dataset import Dataset as Dataset
    from .dataset import Example as Example
    from .endpoint import Endpoint as Endpoint
    from .errors import NlsError as NlsError
    from .evaluation.evaluator import Evaluator as Evaluator
    from .evaluation.report import Report as Report
    from .evaluation.results import Results as Results
    from .models import Adapter as Adapter
    from .models import MergedModel as MergedModel
    from .plugins import baseline as baseline
    from .plugins import provider as provider
    from .recipe import Recipe as Recipe
    from .runs import Run as Run
    from .serve_config import ServeConfig as ServeConfig
    from .training import TrainingJob as TrainingJob
    from .translator import Translation as Translation
    from .translator import Translator as Translator

__version__ = "0.1.0"

_ROOMS = {
    "Adapter": "models",
    "Dataset": "dataset",
    "Endpoint": "endpoint",
    "Evaluator": "evaluation.evaluator",
    "Example": "dataset",
    "MergedModel": "models",
    "NlsError": "errors",
    "Recipe": "recipe",
    "Report": "evaluation.report",
    "Results": "evaluation.results",
    "Run": "runs",
    "ServeConfig": "serve_config",
    "TrainingJob": "training",
    "Translation": "translator",
    "Translator": "translator",
    "attach": "attaching",
    "baseline": "plugins",
    "provider": "plugins",
}

__all__ = [*_ROOMS]  # pyright: ignore[reportUnsupportedDunderAll]  # it reads the imports above instead


def __getattr__(name: str) -> Any:
    """Load what is asked for from the room that holds it (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
