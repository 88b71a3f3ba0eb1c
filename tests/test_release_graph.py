"""Every variable of the original graphs has its place in the networks, both ways, and nothing is left over."""

from pathlib import Path

import pytest
import torch

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, SeparatorConfig
from avsep_plugin.errors import ModelError
from avsep_plugin.models import published
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.release import graph

GOLDEN = Path(__file__).resolve().parent / "golden"

NETWORKS = {"shift": "vars_shift", "cam": "vars_shift", "full": "vars_sep_full", "unet_pit": "vars_sep_unet_pit"}
"""Network -> list of its graph's variables; shift's and cam's are the same."""
COUNTS = {"shift": (186, 36_044_609), "cam": (186, 36_044_609), "full": (374, 113_669_445), "unet_pit": (157, 67_001_092)}
"""Variables, and numbers in the trainable ones."""


def build(network: str) -> Aligner | Separator:
    """A published network without storage."""
    config = published.CONFIGS[network]()
    with torch.device("meta"):
        return Aligner(config) if config.task == "align" else Separator(config)


def listed(network: str) -> list[tuple[str, tuple[int, ...], bool]]:
    """(name, shape, trainable) of every variable of the original graph."""
    lines = (GOLDEN / f"{NETWORKS[network]}.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [(name, tuple(int(n) for n in shape.strip("[]").split(",") if n.strip()), flag == "T") for name, shape, _, flag in rows]


@pytest.fixture
def small() -> Separator:
    """The separator's structure at a fraction of its size."""
    torch.manual_seed(0)
    fused = FusedConfig((4, 6, 6, 8), audio_fused_width=6, video_width=4, fusion_width=8, trunk_widths=(6, 8, 10), scale_gamma=True)
    return Separator(ModelConfig(picture=PictureConfig(crop_size=32), fused=fused, separator=SeparatorConfig(width=4, layers=5)))


@pytest.mark.parametrize("network", NETWORKS)
def test_names_and_shapes_are_those_of_the_graph(network: str) -> None:
    assert graph.shapes(build(network)) == {name: shape for name, shape, _ in listed(network)}


@pytest.mark.parametrize("network", NETWORKS)
def test_trainable_variables_are_parameters_and_the_others_buffers(network: str) -> None:
    model = build(network)
    parameters = dict(model.named_parameters())
    trainable = {name for key, name in graph.variable_names(model).items() if key in parameters}
    assert trainable == {name for name, _, flag in listed(network) if flag}


@pytest.mark.parametrize("network", NETWORKS)
def test_counts(network: str) -> None:
    model = build(network)
    assert (len(model.state_dict()), sum(p.numel() for p in model.parameters())) == COUNTS[network]


def test_no_two_parameters_share_a_name(small: Separator) -> None:
    names = graph.variable_names(small)
    assert len(set(names.values())) == len(names)


def test_there_and_back_gives_the_same_weights(small: Separator) -> None:
    other = Separator(small.config)
    graph.load_variables(other, graph.variables(small))
    for key, value in small.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize(
    ("key", "name", "ours", "theirs"),
    [
        ("fused.sf.conv1_1.conv.weight", "sf/conv1_1/weights", (3, 1, 60), (60, 0, 1, 3)),
        ("fused.im.conv1.conv.weight", "im/conv1/weights", (3, 2, 1, 4, 6), (1, 4, 6, 2, 3)),
        ("gen.conv2.conv.weight", "gen/conv2/weights", (5, 2, 1, 3), (1, 3, 2, 5)),
        ("gen.deconv4.conv.weight", "gen/deconv4/weights", (6, 2, 1, 3), (1, 3, 2, 6)),
        ("gen.fg.bias", "gen/fg/biases", (1,), (1,)),
    ],
)
def test_an_element_keeps_its_meaning(small: Separator, key: str, name: str, ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    assert graph.variables(small)[name][theirs] == small.state_dict()[key][ours]


@pytest.mark.parametrize("name", ["im/conv1/weights/Momentum", "gen/fg/biases/Adam_1", "beta1_power", "global_step"])
def test_the_optimisers_variables_are_passed_over(small: Separator, name: str) -> None:
    graph.load_variables(small, graph.variables(small) | {name: torch.zeros(())})


def test_an_unknown_variable_is_refused(small: Separator) -> None:
    with pytest.raises(ModelError, match="also has 1 variables, among them 'im/conv9/weights'"):
        graph.load_variables(small, graph.variables(small) | {"im/conv9/weights": torch.zeros(3)})


def test_another_shape_is_refused(small: Separator) -> None:
    with pytest.raises(ModelError, match=r"'joint/logits/biases' has shape \[2\], the network needs \[1\]"):
        graph.load_variables(small, graph.variables(small) | {"joint/logits/biases": torch.zeros(2)})


def test_weights_without_gammas_are_refused_and_change_nothing(small: Separator) -> None:
    before = {key: value.clone() for key, value in small.state_dict().items()}
    gammaless = {name: value + 1 for name, value in graph.variables(small).items() if not name.endswith("/gamma")}
    with pytest.raises(ModelError, match=r"lacks .*gamma"):
        graph.load_variables(small, gammaless)
    assert all(torch.equal(value, before[key]) for key, value in small.state_dict().items())


def test_a_network_that_the_original_does_not_have_is_refused() -> None:
    model = Separator(ModelConfig(separator=SeparatorConfig(kind="recurrent", head="mask", width=8, layers=1, with_video=False)))
    with pytest.raises(ModelError, match="no counterpart"):
        graph.variable_names(model)
