"""The networks of CIFAR-10: how they start, what they compute, how SGD moves them, and their weights as matrices.

A convolution's kernel is taken as the matrix (out, in * k * k), as in the paper's published code. It is the raw kernel,
also where batch normalisation follows: that is what the decay acts on. Folding the normalisation in would scale the
rows, which keeps the rank and moves the singular values.

In one image's gradient a dense layer's matrix gets one outer product, a convolution's as many as its output has places,
each of a patch of the input and of what came back there: rank at most m for m patches, and at most m B for a batch.
Batch normalisation makes what came back to one image depend on the others, and leaves the sum with as many terms (in
training mode they sum to zero in every channel, so that the rank is at most m B - 1): the bound on the rank applies to
the convolutional networks as well. With weight normalization it does not, as the gradient in the direction has a part
along it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, Float, Key, PyTree

from ...data import cifar10
from ...dynamics import SGD, AbstractDynamics, Optax, weight_normalization
from ...models.classifiers import classifier, in_parts
from ...models.resnet import ResNet
from ...models.vgg import VGG
from .config import Config
from .networks import Matrices, init, predict

HEAD = "head"


class WeightLayer(NamedTuple):
    """Its name, and the patches of one image that its weights meet: 1 for a dense layer."""

    name: str
    patches: int


class Network(NamedTuple):
    """One network.

    init: key -> (parameters, batch statistics or None); predict and training: as `Problem` asks for them; layers: those
    with weights, in the order of `matrices`, the head last; sgd: (step size or schedule, weight decay, batch size) ->
    dynamics; bounded: whether the finite bound applies.
    """

    init: Callable[[Key[Array, ""]], tuple[PyTree, PyTree]]
    predict: Callable[..., Array]
    training: Callable[..., tuple[Array, PyTree]] | None
    layers: tuple[WeightLayer, ...]
    sgd: Callable[[Any, Any, int], AbstractDynamics]
    bounded: bool


def matrices(params: PyTree) -> tuple[Float[Array, "_ _"], ...]:
    """The weights of every layer as matrices; the others, biases, scales and shifts, are left out."""
    weights = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    return tuple(W.reshape(-1, W.shape[-1]).T if W.ndim == 4 else W for W in weights)


def network(name: str, config: Config, pixels: int, side: int) -> Network:
    """The network of that name for images of `side` by `side` places with `pixels` numbers in all."""
    return {"mlp": _dense, "mlp-wn": _dense, "resnet18": _convolutional, "vgg16": _convolutional}[name](
        name, config, pixels, side
    )


def _dense(name: str, config: Config, pixels: int, side: int) -> Network:
    widths = (pixels, *[config.cifar_width] * config.cifar_layers, cifar10.CLASSES)

    def start(key: Key[Array, ""]) -> tuple[Matrices, None]:
        return init(key, widths), None

    layers = [WeightLayer(f"hidden {number}", 1) for number in range(1, config.cifar_layers + 1)]
    plain = name == "mlp"
    return Network(start, predict, None, (*layers, WeightLayer(HEAD, 1)), _plain if plain else _normalised, plain)


def _convolutional(name: str, config: Config, pixels: int, side: int) -> Network:
    net = classifier("resnet18" if name == "resnet18" else "vgg16", cifar10.CLASSES, config.cifar_channels)
    params, _ = jax.eval_shape(net.init, jax.random.key(0))
    found = _of_resnet(params, side) if name == "resnet18" else _of_vgg(params, side)
    return Network(net.init, in_parts(net.predict), net.train, tuple(found), _plain, bounded=True)


def _of_resnet(params: ResNet, side: int) -> Iterator[WeightLayer]:
    """The stem, the convolutions of the blocks, those of a shortcut after its block's, and the head."""
    yield WeightLayer("stem", side**2)
    for stage, blocks in enumerate(params.stages, 1):
        side = side if stage == 1 else -(-side // 2)
        for number, block in enumerate(blocks, 1):
            where = f"stage {stage} block {number}"
            for i in range(len(block.convolutions)):
                yield WeightLayer(f"{where} convolution {i + 1}", side**2)
            if block.shortcut is not None:
                yield WeightLayer(f"{where} shortcut", side**2)
    yield WeightLayer(HEAD, 1)


def _of_vgg(params: VGG, side: int) -> Iterator[WeightLayer]:
    """The convolutions of the groups, each group but the first behind a halving, and the head."""
    for group, units in enumerate(params.groups, 1):
        for i in range(len(units)):
            yield WeightLayer(f"group {group} convolution {i + 1}", side**2)
        side //= 2
    yield WeightLayer(HEAD, 1)


def _plain(lr: Any, weight_decay: Any, batch: int) -> SGD:
    return SGD(lr, batch, weight_decay=weight_decay)


def _normalised(lr: Any, weight_decay: Any, batch: int) -> Optax:
    """SGD on the magnitude and the direction of every unit's weights, both with the decay."""
    inner = optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(lr))
    return Optax(weight_normalization(inner, axis=1), batch)
