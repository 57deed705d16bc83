"""Pretrains the tiny base model. See README.md beside this file.

python pretrain.py OUT --minutes 40        # or --steps N, which a seed makes repeatable
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from corpus import Chat, chats
from make_tokenizer import make_tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

LENGTH = 256
PROMPT_END = "<think>\n\n</think>\n\n"


def make_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """A Qwen3 of about two million parameters, small enough to answer in tens of milliseconds."""
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        head_dim=32,
        max_position_embeddings=512,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=96,
    )
    return model


def encode(chat: Chat, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[bool]]:
    """Token ids of a chat, and which of them the loss counts: the assistant's answers."""
    pieces: list[tuple[str, bool]] = []
    for role, text in chat:
        if role == "assistant":
            pieces += [
                (f"<|im_start|>assistant\n{PROMPT_END}", False),
                (f"{text}<|im_end|>", True),
                ("\n", False),
            ]
        else:
            pieces.append((f"<|im_start|>{role}\n{text}<|im_end|>\n", False))
    ids: list[int] = []
    counted: list[bool] = []
    for encoding, (_, counts) in zip(
        tokenizer.backend_tokenizer.encode_batch([p for p, _ in pieces], add_special_tokens=False),
        pieces,
        strict=True,
    ):
        ids += encoding.ids
        counted += [counts] * len(encoding.ids)
    return ids, counted


class Batch(NamedTuple):
    """Documents of like length, padded behind, where causal attention ignores it.

    Attributes:
        ids: token ids, (documents, tokens).
        places: where in the flattened `ids` a next token is learned, (learned tokens,).
        targets: those next tokens, (learned tokens,).
    """

    ids: Tensor
    places: Tensor
    targets: Tensor


class Batches(IterableDataset[Batch]):
    """Batches for ever. Every loading process makes documents of its own, from a seed of its own."""

    def __init__(self, seed: int, tokenizer: PreTrainedTokenizerFast, size: int) -> None:
        self._seed, self._tokenizer, self._size = seed, tokenizer, size

    def __iter__(self) -> Iterator[Batch]:
        process = get_worker_info()
        seed = self._seed + 1 + (1_000_003 * process.id if process else 0)
        rng = random.Random(f"{seed}-batches")
        source = chats(seed)
        while True:
            encoded = [encode(next(source), self._tokenizer) for _ in range(self._size * 16)]
            kept = sorted((e for e in encoded if len(e[0]) <= LENGTH), key=lambda e: len(e[0]))
            groups = [kept[i : i + self._size] for i in range(0, len(kept) - self._size + 1, self._size)]
            rng.shuffle(groups)
            yield from (self._pad(group) for group in groups)

    def _pad(self, group: list[tuple[list[int], list[bool]]]) -> Batch:
        longest = max(len(tokens) for tokens, _ in group)
        ids = torch.full((len(group), longest), int(self._tokenizer.pad_token_id))
        places, targets = [], []
        for row, (tokens, counted) in enumerate(group):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            learned = [at for at, counts in enumerate(counted) if counts]
            places += [row * longest + at - 1 for at in learned]
            targets += [tokens[at] for at in learned]
        return Batch(ids, torch.tensor(places), torch.tensor(targets))


def loss_of(model: Qwen3ForCausalLM, batch: Batch) -> Tensor:
    """Cross entropy over the answers' tokens."""
    hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden.flatten(0, 1)[batch.places]).float()
    return cross_entropy(logits, batch.targets)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal (Jordan et al., 2024).

    As `torch.optim.Muon`, but in float32, which is 20 times faster where bfloat16 is emulated, and with
    matrices of one shape taken together.
    """

    def __init__(self, matrices: list[torch.nn.Parameter], lr: float, momentum: float, decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch's takes a closure too
        """Takes one step."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                shapes.setdefault(matrix.shape, []).append(matrix)
            for size, matrices in shapes.items():
                updates = []
                for matrix in matrices:
                    past = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                    past.lerp_(matrix.grad, 1 - group["momentum"])
                    updates.append(matrix.grad.lerp(past, group["momentum"]))
                scale = max(1.0, size[0] / size[1]) ** 0.5
                for matrix, update in zip(matrices, orthogonal(torch.stack(updates)), strict=True):
                    matrix.mul_(1 - group["lr"] * group["decay"])
                    matrix.add_(update, alpha=-group["lr"] * scale)


def orthogonal(stack: Tensor) -> Tensor:
    """The nearest matrices with all singular values about 1, by five Newton-Schulz steps."""
    tall = stack.shape[-2] > stack.shape[-1]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


def optimizers(model: Qwen3ForCausalLM, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, AdamW for the rest: half the tokens of AdamW alone at this size."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        Muon(matrices, lr=rate, momentum=0.95, decay=0.01),
        torch.optim.AdamW(others, lr=rate / 5, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def shape(progress: float) -> float:
    """The rate's course: a short rise, a plateau, and a straight fall over the last half."""
    return min(1.0, progress / 0.01 + 0.02) * min(1.0, max(0.0, (1.0 - progress) / 0.5))


def save(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, log: list[dict[str, Any]], out: Path
) -> None:
    """Writes weights in bfloat16, tokenizer, template and log."""
    held = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    copy = Qwen3ForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(held)
    copy.generation_config = model.generation_config
    copy.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "pretraining_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))


def main() -> None:
    """Trains, logging and saving as it goes, so that whatever exists can be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of --minutes; repeatable")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that make documents; a GPU wants many"
    )
    parser.add_argument("--log-steps", type=int, default=25, help="steps between two lines of the log")
    parser.add_argument("--init", type=Path, help="go on from this model, with its tokenizer and its log")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    log: list[dict[str, Any]] = []
    if args.init:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.init)
        model = Qwen3ForCausalLM.from_pretrained(args.init, dtype=torch.float32).to(device)
        log = [json.loads(line) for line in (args.init / "pretraining_log.jsonl").read_text().splitlines()]
    else:
        tokenizer = make_tokenizer(args.seed)
        model = make_model(tokenizer).to(device)
    before = log[-1] if log else {"step": 0, "seconds": 0.0, "tokens": 0}
    parts = optimizers(model, args.rate)
    peaks = [[group["lr"] for group in part.param_groups] for part in parts]
    made = DataLoader(
        Batches(args.seed, tokenizer, args.batch),
        batch_size=None,
        num_workers=args.workers,
        pin_memory=device.type == "cuda",
    )
    start = saved = time.monotonic()
    tokens, recent, steps = 0, torch.zeros((), device=device), 0
    for step, batch in enumerate(made):
        elapsed = time.monotonic() - start
        progress = step / args.steps if args.steps else elapsed / (60 * args.minutes)
        if progress >= 1:
            break
        batch = Batch(*(part.to(device, non_blocking=True) for part in batch))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part, rates in zip(parts, peaks, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * shape(progress)
            part.step()
            part.zero_grad(set_to_none=True)
        tokens += batch.ids.numel()
        recent += loss.detach()
        steps += 1
        if (step + 1) % args.log_steps == 0:
            row = {
                "step": before["step"] + step + 1,
                "seconds": round(before["seconds"] + elapsed, 1),
                "tokens": before["tokens"] + tokens,
                "loss": round(recent.item() / steps, 4),
                "rate": round(args.rate * shape(progress), 6),
            }
            recent, steps = recent.zero_(), 0
            log.append(row)
            print(json.dumps(row), flush=True)
        if time.monotonic() - saved > 180:
            save(model, tokenizer, log, args.out)
            saved = time.monotonic()
    save(model, tokenizer, log, args.out)


if __name__ == "__main__":
    main()
