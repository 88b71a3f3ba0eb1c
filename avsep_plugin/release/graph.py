"""TensorFlow's names and layouts of the networks' variables, and ours (spec 0.2, 1.5, 2.9).

The modules carry the names of the original graph, so that the way from one to the other is a walk through them:

    fused.sf.conv1_1.conv.weight   [out, in, k]           sf/conv1_1/weights            [k, 1, in, out]
    fused.im.conv4_1.first.norm.*  [c]                    im/conv4_1_1/BatchNorm/*      [c]
    fused.im.conv4_1.short.conv.*  [out, in, 1, 1, 1]     im/conv4_1_short/*            [1, 1, 1, in, out]
    fused.im.conv4_1.second.bias   [out]                  im/conv4_1_2/biases           [out]
    fused.im.conv4_1.norm.*        [c]                    im/conv4_1_bn/*               [c]
    gen.deconv8.conv.weight        [in, out, 4, 4]        gen/deconv8/weights           [4, 4, out, in]

Every kernel therefore turns its last two axes around and puts them first. The audio branch is made of 2-D convolutions of width 1
over there and of 1-D convolutions here.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from avsep_plugin.errors import ModelError
from avsep_plugin.models.fused import Block, ConvNorm
from avsep_plugin.models.layers import BatchNorm, SameConv
from avsep_plugin.models.unet import Layer, TransposedConv

LEFT_OUT_LEAVES = ("Momentum", "Adam", "Adam_1")
"""Last parts of the names of optimiser slots, one or two for every trainable variable."""
LEFT_OUT_NAMES = ("beta1_power", "beta2_power", "global_step")
"""The optimiser's own variables. Nothing else in a checkpoint of the original is left out."""

_LEAVES = {"weight": "weights", "bias": "biases"}


def is_left_out(name: str) -> bool:
    """Whether a checkpoint's entry belongs to the optimiser and has no place in a network."""
    return name in LEFT_OUT_NAMES or name.rpartition("/")[2] in LEFT_OUT_LEAVES


def variable_names(model: nn.Module) -> dict[str, str]:
    """Key of `model.state_dict()` -> TensorFlow's name, for every parameter and buffer.

    `model` is an Aligner or a Separator with the u-net. Raises ModelError where a part has no counterpart over there.
    """
    names = dict(_walk(model, "", ""))
    strangers = model.state_dict().keys() - names.keys()
    if strangers:
        raise ModelError(f"'{min(strangers)}' has no counterpart in the networks of the original; only its u-net can be mapped.")
    return names


def _walk(module: nn.Module, key: str, scope: str) -> Iterator[tuple[str, str]]:
    """(key, name) of every variable in `module`, which is called `key` here (with its dot) and `scope` there."""
    if isinstance(module, SameConv | TransposedConv | BatchNorm):
        for leaf in module.state_dict():
            yield key + leaf, f"{scope}/{_LEAVES.get(leaf, leaf)}"
    for child_name, child in module.named_children():
        yield from _walk(child, f"{key}{child_name}.", _child_scope(module, child_name, child, scope))


def _child_scope(parent: nn.Module, name: str, child: nn.Module, scope: str) -> str:
    if isinstance(parent, Block):
        return scope + {"short": "_short", "first": "_1", "second": "_2", "norm": "_bn"}[name]
    if isinstance(parent, ConvNorm | Layer):
        return scope if name == "conv" else f"{scope}/BatchNorm"
    if name == "fused":
        return scope
    suffix = "_bn" if isinstance(child, BatchNorm) else ""
    return f"{scope}/{name}{suffix}".lstrip("/")


def to_tensorflow(value: Tensor) -> Tensor:
    """Our layout -> TensorFlow's: kernel [out, in, k...] -> [k..., in, out], with a width of 1 in the audio branch; others as they are."""
    if value.dim() < 3:
        return value
    kernel = value.movedim((1, 0), (-2, -1))
    return kernel.unsqueeze(1) if value.dim() == 3 else kernel


def from_tensorflow(value: Tensor, dimensions: int) -> Tensor:
    """TensorFlow's layout -> ours, with that many axes; the inverse of `to_tensorflow`."""
    if dimensions < 3:
        return value
    if dimensions == 3 and value.dim() == 4 and value.shape[1] == 1:
        value = value.squeeze(1)
    return value.movedim((-2, -1), (1, 0))


def variables(model: nn.Module) -> dict[str, Tensor]:
    """Every variable of the network under TensorFlow's name and in its layout; views where possible."""
    state = model.state_dict()
    return {name: to_tensorflow(state[key]) for key, name in variable_names(model).items()}


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """TensorFlow's name -> shape in its layout, of every variable of the network."""
    return {name: tuple(value.shape) for name, value in variables(model).items()}


@torch.no_grad()
def load_variables(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copy `values` (TensorFlow's names and layout) into the network, every variable exactly once; the optimiser's are passed over.

    Raises ModelError for a variable that is missing, unknown or of another shape; the network is then unchanged. So a network
    without gammas is not taken for one with them, nor the other way round.
    """
    wanted = shapes(model)
    offered = {name: tuple(value.shape) for name, value in values.items() if not is_left_out(name)}
    _refuse("lacks", wanted.keys() - offered.keys())
    _refuse("also has", offered.keys() - wanted.keys())
    for name, shape in wanted.items():
        if offered[name] != shape:
            raise ModelError(f"The variable '{name}' has shape {list(offered[name])}, the network needs {list(shape)}.")
    state = model.state_dict()
    for key, name in variable_names(model).items():
        state[key].copy_(from_tensorflow(values[name], state[key].dim()))


def _refuse(what: str, names: set[str]) -> None:
    if names:
        first = ", ".join(f"'{name}'" for name in sorted(names)[:3])
        raise ModelError(f"Weights of another network: the file {what} {len(names)} variables, among them {first}.")
