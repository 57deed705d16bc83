"""Decoding on a CPU: the engines behind `nls_sdk.worker.server`.

Two engines, neither of them our own arithmetic: CTranslate2 where it is installed and agrees with
transformers on this model, otherwise `transformers`' own `generate`. Both decode one sequence at
a time and hand each token to a callback, which can stop them.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, StoppingCriteria, StoppingCriteriaList

_GenerationConfig: Any = GenerationConfig  # untyped in transformers
logger = logging.getLogger(__name__)

SMALL_MODEL_BYTES = 200_000_000
"""Below this a second thread costs more in waiting than it gives."""
MIN_PREFIX_TOKENS = 16
MAX_PREFIXES = 16  # CTranslate2's cache of prefixes has no eviction

OnToken = Callable[[int], bool]
"""Called with each new token, end of sequence included; True stops the decoding."""


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens: temperature 0 is greedy; a seed makes sampling repeatable."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


Generate = Callable[[Sequence[int], Sampling, OnToken], None]
"""Generates tokens after a prompt, as `Engine.generate` does."""


class Engine(Protocol):
    """Generates tokens for one prompt at a time; `eos_ids` end an answer. Not thread-safe."""

    name: str
    eos_ids: list[int]

    def generate(self, prompt: Sequence[int], sampling: Sampling, on_token: OnToken) -> None:
        """Generate after `prompt`, giving each token to `on_token`, until a reason to stop."""

    def next_logits(self, prompt: Sequence[int]) -> Any:
        """The logits of the token after `prompt`, a float array of the vocabulary's size."""

    def close(self) -> None:
        """Free what the engine holds; safe to call twice."""


def cpu_threads(model_dir: Path) -> int:
    """How many threads decode this model best: one if it is small, else all cores."""
    size = sum(f.stat().st_size for f in model_dir.glob("*.safetensors"))
    return 1 if size < SMALL_MODEL_BYTES else os.cpu_count() or 1


class TransformersEngine:
    """`model.generate`, for any model; several times slower than the CPU allows."""

    name = "transformers"

    def __init__(self, model_dir: Path, eos_ids: Sequence[int]) -> None:
        """Load the model in float32; `eos_ids` end an answer."""
        torch.set_num_threads(cpu_threads(model_dir))
        self._model: Any = _load_model(model_dir)
        self._model.generation_config = _GenerationConfig()  # its defaults would fill what we leave out
        self.eos_ids = list(eos_ids)

    def generate(self, prompt: Sequence[int], sampling: Sampling, on_token: OnToken) -> None:
        """See `Engine.generate`."""
        config: Any = _GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            eos_token_id=self.eos_ids or None,
            pad_token_id=self.eos_ids[0] if self.eos_ids else 0,
        )
        if sampling.temperature > 0:
            config.update(do_sample=True, temperature=sampling.temperature, top_p=sampling.top_p, top_k=0)
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
        ids = torch.tensor([list(prompt)])
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([_Callback(on_token)]),
        )

    def next_logits(self, prompt: Sequence[int]) -> Any:
        """See `Engine.next_logits`."""
        with torch.inference_mode():
            return self._model(torch.tensor([list(prompt)])).logits[0, -1].float().numpy()

    def close(self) -> None:
        """See `Engine.close`."""
        self._model = None


class _Callback(StoppingCriteria):  # type: ignore[misc, unused-ignore]  # Any without transformers
    """Turns `generate`'s stopping criterion into an `OnToken` call."""

    def __init__(self, on_token: OnToken) -> None:
        self._on_token = on_token

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> Any:
        return torch.tensor([self._on_token(int(input_ids[0, -1]))])


class CTranslate2Engine:
    """CTranslate2's decoder in float32, with the state of a common prompt prefix kept.

    The model is converted at start, into a temporary folder, and its logits are compared with
    transformers' once, so that a model it would get wrong is refused rather than served.
    """

    name = "ctranslate2"

    def __init__(self, model_dir: Path, eos_ids: Sequence[int], vocabulary: Sequence[str]) -> None:
        """Convert and load the model, or raise; see `load_engine` for the arguments."""
        self._ct2: Any = importlib.import_module("ctranslate2")
        converters: Any = importlib.import_module("ctranslate2.converters")
        self._tokens = vocabulary
        self.eos_ids = list(eos_ids)
        self._threads = cpu_threads(model_dir)
        self._folder = tempfile.TemporaryDirectory(prefix="nls-ct2-")
        self._prefix: list[str] = []
        self._last: list[str] = []
        self._prefixes = 0
        converters.TransformersConverter(str(model_dir)).convert(self._folder.name, force=True)
        self._generator: Any = self._new_generator()
        self._check(model_dir)

    def _new_generator(self) -> Any:
        return self._ct2.Generator(
            self._folder.name, device="cpu", compute_type="float32", intra_threads=self._threads
        )

    def _check(self, model_dir: Path) -> None:
        """Compare the logits of one short prompt with transformers'."""
        step = max(1, len(self._tokens) // 16)
        prompt = list(range(0, len(self._tokens), step))[:16]
        with torch.inference_mode():
            expected = _load_model(model_dir)(torch.tensor([prompt])).logits[0]
        view = self._generator.forward_batch([[self._tokens[i] for i in prompt]])
        got = torch.from_numpy(np.array(view))[0].float()
        width = min(got.shape[-1], expected.shape[-1])
        difference = float((got[:, :width] - expected[:, :width]).abs().max())
        if not difference <= 1e-3 * max(1.0, float(expected.abs().max())):
            raise ValueError(f"its logits differ from transformers' by {difference:.3g}")

    def generate(self, prompt: Sequence[int], sampling: Sampling, on_token: OnToken) -> None:
        """See `Engine.generate`.

        A seeded request loads the model anew (milliseconds for a small one): CTranslate2 seeds a
        thread's random numbers when the thread starts, and never again.
        """
        tokens = [self._tokens[i] for i in prompt]
        greedy = sampling.temperature == 0
        generator = self._generator
        options: dict[str, Any] = {"sampling_topk": 1 if greedy else 0}
        if not greedy:
            options |= {"sampling_topp": sampling.top_p, "sampling_temperature": sampling.temperature}
        if not greedy and sampling.seed is not None:
            self._ct2.set_random_seed(sampling.seed % (2**31 - 1) + 1)  # 0 would mean "any"
            generator = self._new_generator()
        elif prefix := self._shared_prefix(tokens):
            options |= {"static_prompt": tokens[:prefix], "cache_static_prompt": True}
            tokens = tokens[prefix:]
        generator.generate_batch(
            [tokens],
            max_length=sampling.max_tokens,
            end_token=self.eos_ids or None,
            return_end_token=True,
            include_prompt_in_result=False,
            callback=lambda result: on_token(result.token_id),
            **options,
        )

    def _shared_prefix(self, tokens: list[str]) -> int:
        """Length of the prefix to take from the cache: what this prompt and the last share."""
        last, self._last = self._last, tokens
        known = len(self._prefix)
        if known and known < len(tokens) and tokens[:known] == self._prefix:
            return known
        pairs = zip(tokens[:-1], last, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if shared < MIN_PREFIX_TOKENS or self._prefixes >= MAX_PREFIXES:
            return 0
        self._prefix = tokens[:shared]
        self._prefixes += 1
        return shared

    def next_logits(self, prompt: Sequence[int]) -> Any:
        """See `Engine.next_logits`."""
        return np.array(self._generator.forward_batch([[self._tokens[i] for i in prompt]]))[0, -1]

    def close(self) -> None:
        """See `Engine.close`."""
        self._generator = None
        self._folder.cleanup()


def load_engine(model_dir: Path, eos_ids: Sequence[int], vocabulary: Sequence[str]) -> Engine:
    """The fastest engine that gives transformers' results; `vocabulary` has every id's token."""
    if importlib.util.find_spec("ctranslate2") is None:
        logger.warning("ctranslate2 is not installed: serving with transformers, far more slowly")
        return TransformersEngine(model_dir, eos_ids)
    try:
        return CTranslate2Engine(model_dir, eos_ids, vocabulary)
    except Exception as error:  # whatever the converter raises, the fallback serves
        logger.warning("ctranslate2 cannot serve this model (%s): serving with transformers", error)
        return TransformersEngine(model_dir, eos_ids)


def _load_model(model_dir: Path) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32, local_files_only=True)
    return model.eval()


@dataclass(frozen=True)
class Completion:
    """What a job made; `finish_reason` is "stop" or "length"."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    def usage(self) -> dict[str, int]:
        """OpenAI's `usage` block."""
        total = self.prompt_tokens + self.completion_tokens
        counts = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        return {**counts, "total_tokens": total}


class Job:
    """One answer in the making: tokens to text, stop strings, cancelling.

    Attributes:
        emit: Given the text as it becomes certain, on the decoding thread; None for no streaming.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Any,
        prompt: Sequence[int],
        sampling: Sampling,
        stop: Sequence[str] = (),
        generate: Generate | None = None,
    ) -> None:
        """Prepare; nothing is decoded until `run`. `generate` stands in for the engine's own."""
        self.emit: Callable[[str], object] | None = None
        self._engine, self._tokenizer, self._prompt = engine, tokenizer, prompt
        self._sampling, self._stop = sampling, stop
        self._generate = generate
        self._ids: list[int] = []
        self._text, self._sent = "", 0
        self._ended = self._cut = self._cancelled = False

    def cancel(self) -> None:
        """Stop at the next token, or never start; safe from any thread, and when it has ended."""
        self._cancelled = True

    def run(self) -> Completion:
        """Decode to the end, on the calling thread."""
        if not self._cancelled:
            generate = self._generate or self._engine.generate
            generate(self._prompt, self._sampling, self._on_token)
        if not self._cut:
            self._text = self._decode()
        self._send(self._text)
        return Completion(self._text, "stop" if self._ended else "length", len(self._prompt), len(self._ids))

    def _on_token(self, token: int) -> bool:
        self._ids.append(token)
        self._ended = token in self._engine.eos_ids
        if not self._ended and (self._stop or self.emit):
            self._text = self._decode()
            if found := [at for s in self._stop if (at := self._text.find(s)) >= 0]:
                self._text = self._text[: min(found)]
                self._ended = self._cut = True
            else:
                self._send(self._certain())
        return self._ended or self._cancelled

    def _decode(self) -> str:
        ids = [i for i in self._ids if i not in self._engine.eos_ids]
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _certain(self) -> str:
        """The text that no later token changes: no half character, no beginning of a stop string."""
        text = self._text.rstrip("\N{REPLACEMENT CHARACTER}")
        beginnings = (s[:n] for s in self._stop for n in range(1, len(s)))
        return text[: len(text) - max((len(b) for b in beginnings if text.endswith(b)), default=0)]

    def _send(self, text: str) -> None:
        if self.emit and len(text) > self._sent:
            self.emit(text[self._sent :])
            self._sent = len(text)
