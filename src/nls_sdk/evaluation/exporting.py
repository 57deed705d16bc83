"""The evaluation in other people's tools: the task for inspect_ai."""

# pyright: reportMissingImports=false
# inspect_ai is installed only by those who want it.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import metrics
from ..dataset import Dataset, Example
from ..errors import ConfigError

if TYPE_CHECKING:
    from inspect_ai import Task


def inspect_task(dataset: Dataset, *, max_tokens: int = 128) -> Task:
    """The questions and this SDK's metrics as a task of inspect_ai, for any model that it knows.

    The model is told what the dataset's system message says, and answers greedily. Each answer is scored 0
    or 1 on `syntax_valid`, `semantic_match`, `server_valid`, `equivalent` and `right`.

    Args:
        dataset: The questions.
        max_tokens: Tokens of the longest answer.

    Raises:
        ConfigError: inspect_ai is not installed.
    """
    try:
        from inspect_ai import Task
        from inspect_ai.dataset import MemoryDataset, Sample
        from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig
        from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
        from inspect_ai.solver import TaskState, generate
    except ImportError:
        raise ConfigError("inspect_ai is not installed.", hint="`pip install inspect-ai`") from None

    def sample(number: int, example: Example) -> Any:
        told = [ChatMessageSystem(content=example.system)] if example.system else []
        return Sample(
            id=example.line or number,
            input=[*told, ChatMessageUser(content=example.question)],
            target=example.query,
            metadata=dict(example.metadata),
        )

    def query_scorer() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            expected, actual = target.text, state.output.completion.strip()
            return Score(value={name: float(hit) for name, hit in _judged(expected, actual)}, answer=actual)

        return score

    return Task(
        dataset=MemoryDataset([sample(number, example) for number, example in enumerate(dataset, 1)]),
        solver=generate(),
        scorer=scorer(metrics={"*": [mean(), stderr()]})(query_scorer)(),
        config=GenerateConfig(temperature=0.0, max_tokens=max_tokens),
        name="english_to_sourcegraph",
    )


def _judged(expected: str, actual: str) -> list[tuple[str, bool]]:
    return [
        ("syntax_valid", metrics.syntax_valid(actual)),
        ("semantic_match", metrics.semantic_match(expected, actual)),
        ("server_valid", metrics.server_valid(actual)),
        ("equivalent", metrics.equivalent(expected, actual)),
        ("right", metrics.right(expected, actual)),
    ]
