"""Fine-tune a small language model to turn plain English into Sourcegraph queries, and prove how good it got.

Everything a user needs is listed here; the modules of the same names hold it.
"""

from __future__ import annotations

from .attach import attach
from .dataset import Dataset, Example
from .endpoint import Endpoint
from .errors import NlsError
from .models import Adapter, MergedModel
from .plugins import baseline, plugins, provider
from .recipe import Recipe
from .runs import Run
from .tasks import ServeConfig
from .training import TrainingJob
from .translator import Translation, Translator

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "Dataset",
    "Endpoint",
    "Example",
    "MergedModel",
    "NlsError",
    "Recipe",
    "Run",
    "ServeConfig",
    "TrainingJob",
    "Translation",
    "Translator",
    "attach",
    "baseline",
    "plugins",
    "provider",
]
