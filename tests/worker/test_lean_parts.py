"""The lean step's parts, each on its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from peft import get_peft_model
from stand_ins import QWEN3_1_7B
from torch._dynamo.utils import counters
from transformers import AutoConfig, AutoModelForCausalLM, Qwen3Config

from nls_sdk import Recipe
from nls_sdk.errors import ConfigError, RunFailed
from nls_sdk.worker.data import Row
from nls_sdk.worker.devices import choose_device, peak_of
from nls_sdk.worker.lean.adapter import FlatAdapter
from nls_sdk.worker.lean.attention import PaddedAttention
from nls_sdk.worker.lean.batch import Fields, Shape, pack, shared_start
from nls_sdk.worker.lean.decoder import Decoder, unfit
from nls_sdk.worker.lean.loader import Packer
from nls_sdk.worker.lean.means import WITHOUT, Means, choose
from nls_sdk.worker.lean.memory import key_bytes, most_tokens, predict, token_bytes
from nls_sdk.worker.lean.shapes import fit, plan, split
from nls_sdk.worker.lean.step import LeanStep
from nls_sdk.worker.loading import load_model, load_tokenizer
from nls_sdk.worker.meter import Meter
from nls_sdk.worker.sampling import StepSampler
from nls_sdk.worker.trainer import lora_config
from nls_sdk.worker.training import Workshop, open_trainer

CPU = torch.device("cpu")
PLAIN = Means(shared=False, joined=False, flash=False, compiled=False, graphs=False)


GPU_MEANS = Means(shared=True, joined=True, flash=True, compiled=True, graphs=True)


def rows_of(*lengths: int) -> list[Row]:
    return [Row(list(range(3, 3 + length)), length // 2) for length in lengths]


def gradient(model: Path, means: Means, shape: Shape | None = None, shared: int = 0) -> torch.Tensor:
    """The adapter's gradient of a batch in which every adapter counts, and whose rows begin alike."""
    torch.manual_seed(0)
    tuned = get_peft_model(load_model(model, torch.float32, CPU), lora_config(Recipe(lora_r=8)))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    step = LeanStep(tuned.get_base_model(), means, backend="aot_eager")
    rows = rows_of(7, 12, 30)
    step(pack(rows, shape or Shape.of(rows, shared=shared), step_answers=25))
    assert step.adapter.values.grad is not None
    return step.adapter.values.grad


def test_joining_the_adapters_changes_no_gradient(tiny_model: Path) -> None:
    apart = gradient(tiny_model, PLAIN)
    joined = gradient(tiny_model, attrs.evolve(PLAIN, joined=True))
    assert apart.abs().max() > 0.01
    torch.testing.assert_close(joined, apart, rtol=1e-4, atol=1e-6)


def test_repeating_keys_and_values_changes_no_gradient(tiny_model: Path) -> None:
    """As flash attention has them, with another attention that a CPU can do."""
    gradients = []
    for repeated in (False, True):
        torch.manual_seed(0)
        tuned = get_peft_model(load_model(tiny_model, torch.float32, CPU), lora_config(Recipe(lora_r=8)))
        decoder = Decoder(tuned.get_base_model(), joined=False, repeated=repeated)
        adapter = FlatAdapter(list(decoder.projections()), torch.float32)
        rows = rows_of(7, 12, 30)
        shape = Shape.of(rows, shared=2)
        fields = Fields.of(pack(rows, shape, step_answers=25).vector, shape)
        adapter.accumulate(decoder(fields, shape, PaddedAttention(fields, shape)).square().mean())
        assert adapter.values.grad is not None
        gradients.append(adapter.values.grad)
    assert gradients[0].abs().max() > 1e-3
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_what_fills_a_shape_changes_no_gradient(tiny_model: Path) -> None:
    filled = gradient(tiny_model, PLAIN, Shape(64, 40, 5, 30))
    torch.testing.assert_close(filled, gradient(tiny_model, PLAIN), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [None, Shape(64, 40, 6, 40, shared=2)])
def test_sharing_what_rows_begin_with_changes_no_gradient(tiny_model: Path, shape: Shape | None) -> None:
    shared = gradient(tiny_model, PLAIN, shape, shared=2)
    torch.testing.assert_close(shared, gradient(tiny_model, PLAIN), rtol=1e-4, atol=1e-6)


def test_rows_share_what_all_of_their_prompts_begin_with() -> None:
    rows = [Row([1, 2, 3, 4, 5], 4), Row([1, 2, 3, 9, 9, 9], 5), Row([1, 2, 3, 4], 3)]
    assert shared_start(rows[:2]) == 3
    assert shared_start(rows) == 2, "a prompt keeps a token of its own"
    assert shared_start([*rows, Row([2, 2, 3, 4], 3)]) == 0
    assert shared_start([Row([1, 2], 0)]) == 0


def test_a_shared_beginning_is_in_a_batch_once() -> None:
    rows = [Row([1, 2, 3, 4], 3), Row([1, 2, 5, 6, 7], 3)]
    batch = pack(rows, Shape(9, 4, 2, 3, shared=2), step_answers=3)
    fields = Fields.of(batch.vector, batch.shape)
    assert batch.trained == 9
    assert fields.tokens.tolist() == [1, 2, 3, 4, 5, 6, 7, 0, 0]
    assert fields.positions.tolist() == [0, 1, 2, 3, 2, 3, 4, 2, 3]
    assert fields.starts.tolist() == [0, 2, 4, 7, 9]
    assert fields.places.tolist() == [2, 4, 5, 0]
    assert fields.labels.tolist() == [4, 6, 7, -1]
    assert fields.keys.tolist() == [0, 1, 0, 1, 2, 3, 0, 1, 4, 5, 6, 0, 1, 7, 8]
    assert fields.own.tolist() == [0, 1, 4, 5, 8, 9, 10, 13, 14]
    assert fields.key_starts(batch.shape).tolist() == [0, 2, 6, 11, 15]
    *_, copies = fields.sharing(batch.shape)
    assert copies.tolist() == [[2, 3], [6, 7], [11, 12]]


def test_compiled_layers_change_no_gradient_and_serve_all_layers(tiny_model: Path) -> None:
    torch._dynamo.reset()
    counters.clear()
    got = gradient(tiny_model, attrs.evolve(PLAIN, joined=True, compiled=True), shared=2)
    torch.testing.assert_close(got, gradient(tiny_model, PLAIN), rtol=1e-4, atol=1e-6)
    assert counters["stats"]["unique_graphs"] == 3, "before attention, after it, and the loss"


def test_the_planned_shapes_are_few_and_hold_every_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(20, 130, (1000,), generator=generator).tolist()
    rows = rows_of(*lengths)
    sampler, packer = StepSampler(lengths, step_size=8, seed=1), Packer(most_tokens=10_000, most_rows=8)
    packer.plan(rows, sampler, 8, epochs=3)
    assert 1 <= len(packer.shapes) <= 8
    tokens = room = 0
    for epoch in range(3):
        sampler.set_epoch(epoch)
        order = list(sampler)
        for start in range(0, len(order), 8):
            (batch,) = packer([rows[i] for i in order[start : start + 8]])
            assert batch.shape in packer.shapes
            tokens, room = tokens + batch.trained, room + batch.shape.tokens
    assert tokens / room > 0.85


def test_a_step_that_does_not_fit_is_parted_into_batches_of_like_size() -> None:
    rows = rows_of(*range(10, 90, 5))
    parts = split(rows, 250, 100)
    assert sorted(row for part in parts for row in (len(r.tokens) for r in part)) == [*range(10, 90, 5)]
    sizes = [sum(len(row.tokens) for row in part) for part in parts]
    assert max(sizes) <= 250
    assert len(parts) == math.ceil(sum(sizes) / 250)
    assert [len(part) for part in split(rows_of(300, 400), 250, 100)] == [1, 1]
    assert [len(part) for part in split(rows, 10_000, 6)] == [6, 5, 5]


def test_processes_share_a_step_and_know_all_its_answers() -> None:
    rows = rows_of(10, 20, 30, 40, 50)
    shares = [Packer(most_tokens=1000, most_rows=8, rank=rank, world=2)(rows) for rank in range(2)]
    assert [share[0].examples for share in shares] == [3, 2]
    assert {int(share[0].vector[-1]) for share in shares} == {75}
    assert Packer(most_tokens=1000, most_rows=8, rank=7, world=8)(rows) == []


def test_per_device_batch_size_bounds_a_batch_on_a_cpu_alone(tiny_model: Path, tmp_path: Path) -> None:
    """A GPU's free memory is known, and bounds a batch there; see `test_gpu.py`."""
    rows = rows_of(*range(10, 30))
    recipe = Recipe(dtype="float32", per_device_batch_size=3, gradient_accumulation_steps=2)
    model = load_model(tiny_model, torch.float32, CPU)
    shop = Workshop("tiny", rows, load_tokenizer(tiny_model), model, torch.float32, CPU)
    trainer = open_trainer(shop, rows, recipe, tmp_path, Meter(lambda _: None, 1))
    steps = [[batch.examples for batch in step] for step in trainer.get_train_dataloader()]
    assert steps == [[3, 3], [3, 3], [3, 3], [2]]


def test_a_batch_that_no_shape_holds_keeps_its_own() -> None:
    small, large = Shape(64, 16, 4, 30), Shape(128, 32, 8, 60)
    assert fit(Shape(60, 10, 4, 20), [small, large]) == small
    assert fit(Shape(60, 10, 4, 40), [small, large]) == large
    assert fit(Shape(129, 10, 4, 40), [small, large]) == Shape(129, 10, 4, 40)
    assert plan([Shape(60, 10, 4, 20)]) == [Shape(64, 16, 4, 20)]


@pytest.mark.parametrize(
    ("shape", "measured"),
    [
        (Shape(704, 224, 8, 111, shared=16), 5.663e9),
        (Shape(4608, 1360, 64, 123, shared=16), 15.506e9),
        (Shape(8704, 2592, 128, 111, shared=16), 25.433e9),
        (Shape(17472, 5104, 256, 153, shared=16), 45.965e9),
    ],
)
def test_memory_is_predicted_as_measured_on_an_h200(shape: Shape, measured: float) -> None:
    """Peaks of benchmarks/train_speed.py for Qwen3-1.7B at batches of 8, 64, 128 and 256."""
    memory = predict(
        Qwen3Config(**QWEN3_1_7B),
        weights=3_441_149_952,
        trained=17_432_576,
        shape=shape,
        means=GPU_MEANS,
        dtype=torch.bfloat16,
    )
    assert memory.total == pytest.approx(measured, rel=0.05)
    assert str(memory).endswith(f"logits {memory.logits / 1e9:.1f})")


def test_a_token_in_float32_is_counted_as_twice_one_in_bfloat16() -> None:
    config = Qwen3Config(**QWEN3_1_7B)
    for count in (token_bytes, key_bytes):
        assert count(config, PLAIN, torch.float32) == 2 * count(config, PLAIN, torch.bfloat16)
    wide, narrow = (
        predict(config, weights=0, trained=0, shape=Shape(704, 224, 8, 111), means=PLAIN, dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert wide.activations == 2 * narrow.activations
    assert wide.logits == 12 * 151_936 * 224


def test_no_room_for_the_longest_example_is_told_with_numbers() -> None:
    assert most_tokens(10**9, 2 * 10**6, longest=500) == 500
    assert most_tokens(10**12, 2 * 10**6, longest=500) == 32768
    with pytest.raises(RunFailed, match=r"has 1\.0 GB .* of 501 tokens, needs 1\.0") as told:
        most_tokens(10**9, 2 * 10**6, longest=501)
    assert "longer than 500 tokens (max_length)" in told.value.hint
    assert "gradient_checkpointing" in told.value.hint


def test_a_means_can_be_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WITHOUT, "graphs, compiled")
    means, reasons = choose(choose_device("cpu"), torch.float32, Recipe())
    assert means == attrs.evolve(PLAIN, shared=True)
    assert reasons == [f"graphs: {WITHOUT} names it", f"compiled: {WITHOUT} names it"]


def test_a_name_that_is_no_means_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WITHOUT, "graph")
    with pytest.raises(ConfigError, match=f"{WITHOUT}: unknown key 'graph'") as told:
        choose(choose_device("cpu"), torch.float32, Recipe())
    assert told.value.hint == "Did you mean 'graphs'?"


def test_a_rank_that_joins_badly_and_a_wide_dtype_leave_means_out_with_reasons() -> None:
    means, reasons = choose(torch.device("cuda"), torch.float32, Recipe(lora_r=3))
    assert (means.shared, means.joined, means.flash, means.graphs) == (True, False, False, False)
    assert "joined: lora_r is not a multiple of 8" in reasons
    assert "flash: it does not compute in float32" in reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hidden_act": "gelu"}, "its activation is gelu"),
        ({"mlp_bias": True}, "its MLP has biases"),
        ({"attention_dropout": 0.1}, "attention dropout"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "has a window"),
        (
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
            "rope_type dynamic",
        ),
    ],
)
def test_a_decoder_that_is_otherwise_is_unfit(changes: dict[str, Any], reason: str) -> None:
    config = AutoConfig.for_model(
        "llama",
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        **changes,
    )
    assert reason in (unfit(AutoModelForCausalLM.from_config(config)) or "fit")


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L40", 181e12),
        ("NVIDIA RTX A1000", None),
    ],
)
def test_a_gpus_peak_is_found_by_whole_words_of_its_name(name: str, peak: float | None) -> None:
    assert peak_of(name) == peak


def test_the_share_of_the_peak_is_told_where_it_is_known() -> None:
    meter = Meter(lambda _: None, 1)
    assert meter.utilization(1000.0) is None
    meter.work = (4 * 1.72e9, 989e12)
    assert meter.utilization(66_577.0) == pytest.approx(0.463, abs=1e-3)
    assert meter.utilization(None) is None
