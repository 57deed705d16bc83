"""Mean cross entropy of answer tokens, with its gradient made on the way forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

CHUNK = 1024
"""Answer tokens whose logits are held at once."""

Scoring: TypeAlias = Callable[[Tensor, Tensor, Tensor, torch.dtype], tuple[Tensor, Tensor]]
"""`score`, or the same compiled."""


def answer_loss(hidden: Tensor, head: Tensor, labels: Tensor, answers: Tensor, scoring: Scoring) -> Tensor:
    """The answer tokens' share of a step's mean loss, in float32.

    Args:
        hidden: What predicts them, `(answers, size)`.
        head: The frozen projection onto the vocabulary, `(vocabulary, size)`.
        labels: Their ids, `(answers,)`; negative where there is none.
        answers: How many the whole step has, `(1,)`.
        scoring: Makes loss and gradient of logits.
    """
    return _AnswerLoss.apply(hidden, head, labels, answers, scoring)


def score(logits: Tensor, labels: Tensor, answers: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Loss and gradient of float32 logits.

    Args:
        logits: `(answers, vocabulary)`.
        labels: See `answer_loss`.
        answers: See `answer_loss`.
        dtype: What the gradient is made in.

    Returns:
        The loss, and its gradient by the logits.
    """
    share = torch.where(labels >= 0, 1.0 / answers, 0.0)[:, None]
    target = labels.clamp(min=0)[:, None]
    log_total = logits.logsumexp(-1, keepdim=True)
    loss = ((log_total - logits.gather(1, target.long())) * share).sum()
    is_target = torch.arange(logits.shape[1], dtype=torch.int32, device=logits.device) == target
    probability = (logits - log_total).exp()
    return loss, (torch.where(is_target, probability - 1, probability) * share).to(dtype)


class _AnswerLoss(Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, labels: Tensor, answers: Tensor, scoring: Scoring
    ) -> Tensor:
        total = hidden.new_zeros((), dtype=torch.float32)
        gradients = []
        for part, label in zip(hidden.split(CHUNK), labels.split(CHUNK), strict=True):
            loss, d_logits = scoring(_logits(part, head), label, answers, head.dtype)
            total += loss
            gradients.append(d_logits @ head)
        ctx.save_for_backward(torch.cat(gradients))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (d_hidden,) = ctx.saved_tensors
        return d_hidden * gradients[0], None, None, None, None


def _logits(hidden: Tensor, head: Tensor) -> Tensor:
    if hidden.is_cuda and hidden.dtype != torch.float32:
        return torch.mm(hidden, head.t(), out_dtype=torch.float32)
    return (hidden @ head.t()).float()
