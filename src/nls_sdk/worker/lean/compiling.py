"""Compiling once for batches of all sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch

R = TypeVar("R")


def compile_any_length(function: Callable[..., R], **options: Any) -> Callable[..., R]:
    """Compile a function, leaving the first dimension of its tensors open and all else fixed.

    Fixed numbers make cheaper kernels than open ones: an index is divided by a constant.

    Args:
        function: What to compile, as one graph.
        options: Those of `torch.compile`.
    """
    compiled = torch.compile(function, fullgraph=True, **options)

    @wraps(function)
    def call(*arguments: Any) -> R:
        for argument in arguments:
            if isinstance(argument, torch.Tensor) and argument.dim() and len(argument) > 1:
                torch._dynamo.maybe_mark_dynamic(argument, 0)
        return compiled(*arguments)

    return call
