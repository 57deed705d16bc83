"""ServeConfig: how a model is served, the same words at every provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from .errors import ConfigError
from .recipe import Rules, from_mapping, settle


@frozen(kw_only=True)
class ServeConfig:
    """How a model is served. docs/serving.md has the figures behind each default.

    All but the first five are vLLM's business; the worker's own server, for a CPU, has no use for them.

    Attributes:
        model_name: The model's name in the API.
        port: TCP port; 0 takes a free one.
        idle_timeout: Seconds without a request after which the server ends itself; 0 is never.
        max_length: Tokens of prompt and answer together.
        engine: `vllm`, on a GPU; `cpu`, the worker's own server; or `auto`: vLLM where it is installed and a
            GPU is there, else the other.
        precision: What the weights are multiplied in. `auto` is what they are stored in; `fp8` makes them
            eight bits wide at load, and the activations with them, and needs a GPU that has it.
        speculation: How tokens are guessed ahead, to be checked several at a time; `off` guesses none.
            `answers` goes on as earlier answers did, or copies words of the question; `ngram` is vLLM's own,
            which continues words that stand in the prompt or the answer already.
        speculative_tokens: Tokens guessed ahead at most.
        prefix_caching: Whether the beginning that prompts share is computed once.
        max_clients: Requests that are decoded at once; more wait their turn.
        graph_batch: Tokens of a step at most, be they of prompts or of answers; each client's answer takes up
            to `1 + speculative_tokens`. Steps of every size up to it are CUDA graphs. 0 captures none and
            sets no limit, which starts sooner and decodes several times more slowly.
        frontends: Processes that speak HTTP.
        gpu_memory: Share of the GPU's memory to take.
        batch_invariant: Whether an answer must not depend on who else is being served, to the last bit.
            It costs speed.
        log_requests: Whether each request is a line in the log.
    """

    model_name: str = "llm"
    port: int = 0
    idle_timeout: float = 900.0
    max_length: int = 2048
    engine: Literal["auto", "vllm", "cpu"] = "auto"
    precision: Literal["auto", "bfloat16", "fp8"] = "auto"
    speculation: Literal["off", "answers", "ngram"] = "answers"
    speculative_tokens: int = 8
    prefix_caching: bool = True
    max_clients: int = 128
    graph_batch: int = 512
    frontends: int = 1
    gpu_memory: float = 0.9
    batch_invariant: bool = False
    log_requests: bool = False

    def __attrs_post_init__(self) -> None:
        settle(self, _RULES, ConfigError)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, source: str = "ServeConfig") -> ServeConfig:
        """Make one from plain values, such as a TOML table.

        Raises:
            ConfigError: A key is unknown (the message names it and the nearest real one), or a value has the
                wrong type or is out of range.
        """
        return from_mapping(cls, values, source, ConfigError)


_RULES: Rules = {
    "model_name": (lambda v: bool(v.strip()), "a name"),
    "port": (lambda v: 0 <= v <= 65535, "from 0 to 65535"),
    "idle_timeout": (lambda v: v >= 0, "0 or more"),
    "max_length": (lambda v: v >= 16, "at least 16"),
    "engine": (lambda v: v in ("auto", "vllm", "cpu"), "auto, vllm or cpu"),
    "precision": (lambda v: v in ("auto", "bfloat16", "fp8"), "auto, bfloat16 or fp8"),
    "speculation": (lambda v: v in ("off", "answers", "ngram"), "off, answers or ngram"),
    "speculative_tokens": (lambda v: 1 <= v <= 32, "from 1 to 32"),
    "max_clients": (lambda v: v >= 1, "at least 1"),
    "graph_batch": (lambda v: v >= 0, "0 or more"),
    "frontends": (lambda v: v >= 1, "at least 1"),
    "gpu_memory": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
}
