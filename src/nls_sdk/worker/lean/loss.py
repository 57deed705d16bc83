"""Mean cross entropy of answer tokens, with its gradient made on the way forward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

CHUNK = 1024
"""Answer tokens whose logits are held at once."""


def answer_loss(hidden: Tensor, head: Tensor, labels: Tensor, answers: Tensor) -> Tensor:
    """The answer tokens' share of a step's mean loss, in float32.

    Args:
        hidden: What predicts them, `(answers, size)`.
        head: The frozen projection onto the vocabulary, `(vocabulary, size)`.
        labels: Their ids, `(answers,)`; negative where there is none.
        answers: How many the whole step has, `(1,)`.
    """
    return _AnswerLoss.apply(hidden, head, labels, answers)


class _AnswerLoss(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, labels: Tensor, answers: Tensor) -> Tensor:
        d_hidden = torch.empty_like(hidden)
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), CHUNK):
            part, label = hidden[start : start + CHUNK], labels[start : start + CHUNK]
            present = (label >= 0).float().div_(answers)
            target = label.clamp(min=0).long()[:, None]
            logits = _logits(part, head)
            log_total = logits.logsumexp(-1, keepdim=True)
            total += ((log_total - logits.gather(1, target))[:, 0] * present).sum()
            d_logits = logits.sub_(log_total).exp_().scatter_add_(1, target, -torch.ones_like(log_total))
            d_logits.mul_(present[:, None])
            torch.mm(d_logits.to(head.dtype), head, out=d_hidden[start : start + CHUNK])
        ctx.save_for_backward(d_hidden)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (d_hidden,) = ctx.saved_tensors
        return d_hidden * gradients[0], None, None, None


def _logits(hidden: Tensor, head: Tensor) -> Tensor:
    if hidden.is_cuda and hidden.dtype != torch.float32:
        return torch.mm(hidden, head.t(), out_dtype=torch.float32)
    return (hidden @ head.t()).float()
