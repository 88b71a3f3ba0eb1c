"""The count behind the hours of docs/recipes.md."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from papers import small


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/hours.py, which lies in the checkout and is not installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    return importlib.import_module("benchmarks.hours")


def test_traffic_is_what_an_operation_reads_and_writes(hours: ModuleType) -> None:
    x = torch.empty(10, 3, device="meta")
    with hours.Traffic() as traffic:
        x.t().reshape(-1)[:5]  # one copy of 30, the rest are views
        x + x
    assert traffic.numbers == 2 * 30 + 3 * 30


@pytest.mark.parametrize("name", ["paper-shift", "paper-large", "paper-unet-pit", "paper-action"])
def test_the_cost_of_a_batch_is_that_of_its_clips(hours: ModuleType, name: str) -> None:
    recipe = small(name)
    whole, counted = hours.cost(recipe), hours._count(recipe, recipe.optimizer.batch_clips)
    assert whole.flops == counted.flops
    assert whole.numbers == pytest.approx(counted.numbers, rel=1e-3)


def test_a_wider_map_costs_more_and_a_lower_rate_less(hours: ModuleType) -> None:
    shift, cam, low = (hours._count(small(name), 1).flops for name in ("paper-shift", "paper-cam", "paper-lowfps"))
    assert low < shift < cam


def test_arithmetic_and_memory_take_their_time_one_after_the_other(hours: ModuleType) -> None:
    card, reach = hours.Card("card", "bf16", 1e12, 1e9, 2), hours.Reach(0.5, 0.25)
    assert hours.Cost(1e12, 5e8).seconds(card, reach) == pytest.approx(2 + 4)


def test_a_line_for_each_recipe(hours: ModuleType) -> None:
    lines = list(hours.rows(["paper-unet-pit"]))
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| paper-unet-pit | 160000 | 24 | ")
    assert lines[2].endswith("| 0.0 |")
