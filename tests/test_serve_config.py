"""How a model is served: known words with sensible values, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from nls_sdk import ServeConfig
from nls_sdk.errors import ConfigError


def test_an_unknown_key_is_named_with_the_nearest_real_one() -> None:
    with pytest.raises(ConfigError, match=r"serving\.toml: unknown key 'speculaton'") as caught:
        ServeConfig.from_mapping({"speculaton": "off"}, source="serving.toml")
    assert "'speculation'" in caught.value.hint


@pytest.mark.parametrize(
    "values",
    [
        {"precision": "int3"},
        {"speculation": True},
        {"speculative_tokens": 0},
        {"gpu_memory": 1.5},
        {"frontends": 0},
        {"graph_batch": -1},
        {"batch_invariant": "yes"},
    ],
)
def test_a_wrong_value_is_refused_by_its_key(values: dict[str, Any]) -> None:
    [key] = values
    with pytest.raises(ConfigError, match=f"ServeConfig: {key} = .*, but it must be"):
        ServeConfig(**values)


def test_a_table_makes_one() -> None:
    assert ServeConfig.from_mapping({"precision": "fp8", "idle_timeout": 60}) == ServeConfig(
        precision="fp8", idle_timeout=60.0
    )
