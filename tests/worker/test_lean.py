"""The lean step against plain TRL: the same optimisation, step for step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from plain_trl import train_plainly
from tiny import QUESTIONS, make_model
from worker_home import Home, finish, read_until

from nls_sdk import Dataset, Recipe
from nls_sdk.events import Event, Log, Progress, Succeeded
from nls_sdk.tasks import Train
from nls_sdk.worker.data import Row, tokenize
from nls_sdk.worker.lean.trainer import LeanTrainer
from nls_sdk.worker.loading import load_model, load_tokenizer
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.trainer import AdapterTrainer
from nls_sdk.worker.training import Workshop, open_trainer, train

CPU = torch.device("cpu")
RECIPE = Recipe(
    dtype="float32", epochs=4.0, learning_rate=5e-3, warmup_ratio=0.2, weight_decay=0.1, max_grad_norm=0.3
)


def shop_of(folder: Path) -> Workshop:
    tokenizer = load_tokenizer(folder)
    rows = tokenize(Dataset.from_pairs(QUESTIONS[:20]), tokenizer, limit=512)
    return Workshop("tiny", rows, tokenizer, load_model(folder, torch.float32, CPU), torch.float32, CPU)


def lean_losses(shop: Workshop, recipe: Recipe, folder: Path) -> list[float]:
    told: list[Event] = []
    trainer = open_trainer(shop, shop.rows, recipe, folder, Meter(told.append, 1))
    assert isinstance(trainer, LeanTrainer), told
    trainer.run()
    return [event.loss or 0.0 for event in told if isinstance(event, Progress)]


@pytest.mark.parametrize("changes", [{}, {"target_modules": "q_proj, down_proj", "lora_r": 3}])
def test_the_loss_is_plain_trls_at_every_step(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    recipe = attrs.evolve(RECIPE, **changes)
    plain, lean = shop_of(tiny_model), shop_of(tiny_model)
    expected = train_plainly(plain, recipe, tmp_path / "plain")
    got = lean_losses(lean, recipe, tmp_path / "lean")
    assert len(got) == 12
    assert got == pytest.approx(expected, rel=1e-3)
    assert got[-1] < got[0] - 0.3, "nothing was learnt, so nothing was compared"
    ids = torch.tensor([shop_of(tiny_model).rows[0].tokens])
    torch.testing.assert_close(lean.model(ids).logits, plain.model(ids).logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_other_architectures_train_as_with_plain_trl(architecture: str, tmp_path: Path) -> None:
    make_model(tmp_path / "base", architecture=architecture, tied=False)
    recipe = attrs.evolve(RECIPE, epochs=1.0)
    expected = train_plainly(shop_of(tmp_path / "base"), recipe, tmp_path / "plain")
    assert lean_losses(shop_of(tmp_path / "base"), recipe, tmp_path / "lean") == pytest.approx(
        expected, rel=1e-3
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lora_dropout": 0.1}, "lora_dropout is not 0"),
        ({"target_modules": "q_proj, embed_tokens"}, "embed_tokens"),
    ],
)
def test_what_the_lean_step_cannot_do_is_left_to_trl(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    told: list[Event] = []
    shop = shop_of(tiny_model)
    trainer = open_trainer(shop, shop.rows, attrs.evolve(RECIPE, **changes), tmp_path, Meter(told.append, 1))
    assert type(trainer) is AdapterTrainer
    assert any(reason in event.text for event in told if isinstance(event, Log))


def test_a_killed_lean_training_ends_as_an_undisturbed_one(home: Home, told: list[Event]) -> None:
    """Killed between two checkpoints and in another epoch: not a bit changes."""
    recipe = attrs.evolve(RECIPE, checkpoint_steps=2, logging_steps=1)
    calm = Train(name="calm", base=home.base, data=home.data, recipe=recipe)
    undisturbed = train(home.write(calm), calm, told.append, "cpu")
    task = attrs.evolve(calm, name="killed")
    for step in (5, 9):
        process = home.fork(task)
        assert any(isinstance(e, Progress) and e.step >= step for e in read_until(process, lambda _: False))
        process.kill()
        process.communicate()
    events, _, _ = finish(home.fork(task))
    end = events[-1]
    assert isinstance(end, Succeeded)
    for name in ("train_loss", "final_loss", "examples", "tokens", "steps"):
        assert end.metrics[name] == undisturbed.metrics[name], name
    assert end.outputs["adapter"].digest == undisturbed.outputs["adapter"].digest


def test_weights_are_kept_once(tiny_model: Path, tmp_path: Path) -> None:
    shop = shop_of(tiny_model)
    trainer = open_trainer(shop, shop.rows, attrs.evolve(RECIPE, max_steps=1), tmp_path, Meter(print, 1))
    held = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in shop.model.parameters()}
    trainer.run()
    after = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in shop.model.parameters()}
    assert sum(after.values()) == sum(held.values())


def test_an_answer_may_be_all_there_is() -> None:
    from nls_sdk.worker.lean.batch import Fields, Shape, pack

    rows = [Row([5, 6, 7], 0), Row([8, 9], 1)]
    batch = pack(rows, Shape(8, 4, 3, 4), step_answers=3)
    fields = Fields.of(batch.vector, batch.shape)
    assert fields.tokens.tolist() == [5, 6, 7, 8, 9, 0, 0, 0]
    assert fields.positions.tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert fields.starts.tolist() == [0, 3, 5, 5, 8]
    assert fields.places.tolist() == [0, 1, 3, 0]
    assert fields.labels.tolist() == [6, 7, 9, -1]
    assert fields.answers.tolist() == [3]
