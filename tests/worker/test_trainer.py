from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import trl.trainer.utils
from datasets import Dataset as TrainingRows
from tiny import QUESTIONS
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from nls_sdk import Dataset, Recipe
from nls_sdk.errors import RecipeError
from nls_sdk.prompt import CHAT_TEMPLATE_KWARGS
from nls_sdk.worker.data import Row, tokenize
from nls_sdk.worker.loading import load_model, load_tokenizer
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.sampling import StepSampler
from nls_sdk.worker.trainer import sft_config
from nls_sdk.worker.training import Workshop, open_trainer

CPU = torch.device("cpu")


@pytest.fixture
def shop(tiny_model: Path) -> Workshop:
    tokenizer = load_tokenizer(tiny_model)
    rows = tokenize(Dataset.from_pairs(QUESTIONS[:20]), tokenizer, limit=512)
    return Workshop("tiny", rows, tokenizer, load_model(tiny_model, torch.float32, CPU), torch.float32, CPU)


def test_rows_are_those_that_trl_makes_of_prompts_and_completions(shop: Workshop, tmp_path: Path) -> None:
    rows = [
        {
            "prompt": list(example.messages[:-1]),
            "completion": [example.messages[-1]],
            "chat_template_kwargs": dict(CHAT_TEMPLATE_KWARGS),
        }
        for example in Dataset.from_pairs(QUESTIONS[:20])
    ]
    theirs = SFTTrainer(
        model=shop.model,
        args=SFTConfig(output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False),
        train_dataset=TrainingRows.from_list(rows),
        processing_class=shop.tokenizer,
    ).train_dataset
    for row, ids, labels in zip(shop.rows, theirs["input_ids"], theirs["labels"], strict=True):
        assert row.features() == {"input_ids": ids, "labels": labels}


def test_scoring_answers_alone_changes_no_bit_of_the_loss(
    shop: Workshop, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    function: Any = trl.trainer.utils._ChunkedLogProbFunction
    apply = function.apply
    monkeypatch.setattr(
        trl.trainer.utils,
        "_ChunkedLogProbFunction",
        type(
            "Counted",
            (),
            {"apply": staticmethod(lambda h, *rest: (scored.append(len(h)), apply(h, *rest))[1])},
        ),
    )
    monkeypatch.setattr(trl.trainer.utils, "_use_triton", trl.trainer.utils._use_triton)
    trainer = open_trainer(shop, shop.rows, recipe, tmp_path, Meter(lambda _: None, 1))
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    trainer.model.eval()
    with torch.no_grad():
        alone = trainer.compute_loss(trainer.model, dict(batch))
        monkeypatch.setattr(trl.trainer.utils, "_use_triton", lambda device: False)
        everywhere = trainer.compute_loss(trainer.model, dict(batch))
    assert torch.equal(alone, everywhere)
    assert scored == [int((batch["labels"][:, 1:] != -100).sum()), batch["labels"][:, 1:].numel()]


def test_the_recipe_is_what_trl_and_peft_are_told(shop: Workshop, tmp_path: Path) -> None:
    recipe = Recipe(
        dtype="float32", weight_decay=0.1, max_grad_norm=0.5, target_modules="q_proj, v_proj", seed=7
    )
    trainer = open_trainer(shop, shop.rows, recipe, tmp_path, Meter(lambda _: None, 1))
    args = trainer.args
    assert args.per_device_train_batch_size * args.gradient_accumulation_steps == 8
    assert (args.learning_rate, args.weight_decay, args.max_grad_norm) == (2e-4, 0.1, 0.5)
    assert (args.lr_scheduler_type, args.warmup_steps, args.seed) == ("cosine", 0.03, 7)
    assert args.report_to == []
    adapter = trainer.model.peft_config["default"]
    assert (adapter.r, adapter.lora_alpha, adapter.target_modules) == (16, 32, {"q_proj", "v_proj"})


def test_processes_share_trls_steps_evenly_or_not_at_all(tmp_path: Path) -> None:
    def shares(batch: int, accumulation: int) -> tuple[int, int]:
        recipe = Recipe(per_device_batch_size=batch, gradient_accumulation_steps=accumulation)
        args = sft_config(recipe, tmp_path, torch.float32, CPU, processes=2)
        return args.per_device_train_batch_size, args.gradient_accumulation_steps

    assert shares(3, 4) == (3, 2)
    assert shares(4, 3) == (2, 3)
    with pytest.raises(RecipeError, match="2 processes cannot share steps of 3 x 5 examples evenly"):
        shares(5, 3)


class TestStepSampler:
    def test_each_epoch_sees_every_example_once_in_an_order_of_its_own(self) -> None:
        sampler = StepSampler([1] * 20, step_size=8, seed=1)
        first = list(sampler)
        sampler.set_epoch(1)
        second = list(sampler)
        assert sorted(first) == sorted(second) == [*range(20)]
        assert first != second
        sampler.set_epoch(0)
        assert list(sampler) == first

    def test_sorting_by_length_moves_no_example_to_another_step(self) -> None:
        lengths = [(i * 7) % 20 for i in range(20)]
        plain = list(StepSampler([0] * 20, step_size=8, seed=1))
        by_length = list(StepSampler(lengths, step_size=8, seed=1))
        for start in (0, 8, 16):
            step = by_length[start : start + 8]
            assert sorted(step) == sorted(plain[start : start + 8])
            assert [lengths[i] for i in step] == sorted(lengths[i] for i in step)


def test_features_hide_the_prompt_from_the_loss() -> None:
    assert Row([5, 6, 7, 8], 3).features() == {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, -100, 8]}


def test_evolving_the_seed_changes_the_adapters_start(shop: Workshop, recipe: Recipe, tmp_path: Path) -> None:
    def start(seed: int, tiny: Any) -> torch.Tensor:
        trainer = open_trainer(
            attrs.evolve(shop, model=tiny),
            shop.rows,
            attrs.evolve(recipe, seed=seed),
            tmp_path,
            Meter(print, 1),
        )
        return next(p for n, p in trainer.model.named_parameters() if "lora_A" in n).detach().clone()

    folder = shop.model.name_or_path
    a, b, c = (start(seed, load_model(Path(folder), torch.float32, CPU)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
