"""The deep classifiers by name: VGG16, ResNet18, ResNet50, DenseNet40-BC and WRN-28-1.

>>> import jax
>>> net = classifier("resnet18", classes=10, width=1 / 8)
>>> params, statistics = net.init(jax.random.key(0))
>>> logits, statistics = jax.jit(net.train)(params, statistics, jax.numpy.zeros((2, 32, 32, 3)))
>>> logits.shape
(2, 10)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, PyTree

from . import densenet, resnet, vgg, wide_resnet

Name: TypeAlias = Literal["vgg16", "resnet18", "resnet50", "densenet40", "wrn28-1"]
Precision: TypeAlias = Literal["float32", "bfloat16"]


class Classifier(NamedTuple):
    """What `biassay.problem.Problem` asks of a network with batch normalisation.

    init: key -> (params, statistics), float32 whatever the precision.
    predict: (params, statistics, images (b, h, w, c)) -> logits (b, classes) in evaluation mode.
    train: the same arguments -> (logits, statistics) in training mode.
    """

    init: Callable[[Array], tuple[PyTree, PyTree]]
    predict: Callable[..., Array]
    train: Callable[..., tuple[Array, PyTree]]


def classifier(
    name: Name,
    classes: int,
    width: float = 1.0,
    images: resnet.Stem = "cifar",
    precision: Precision = "float32",
) -> Classifier:
    """The functions of one architecture. `predict` and `train` are the very same functions wherever the form and the
    precision are, as the parameters say the rest: they compile once.

    Args:
        name: of the architecture.
        classes: outputs.
        width: multiplies the channels; of WRN-28-1 it is the widening factor, so that width 10 gives WRN-28-10.
        images: "cifar" for those of 32x32, "imagenet" for those of 224x224. ResNets differ in their stem, VGG takes the
            mean over the pixels that are left, DenseNet40 and WRN-28-1 have only the form for CIFAR.
        precision: of the convolutions; parameters, statistics, batch normalisation and logits are float32.

    Raises:
        ValueError: an unknown name, form or precision, or a DenseNet or WRN for ImageNet.
    """
    for what, value, known in (
        ("name", name, Name),
        ("images", images, resnet.Stem),
        ("precision", precision, Precision),
    ):
        if value not in get_args(known):
            raise ValueError(f"{what} must be one of {', '.join(get_args(known))}, got {value!r}")
    if name in ("densenet40", "wrn28-1") and images != "cifar":
        raise ValueError(f"{name} has only the form for cifar: choose it, or another network")
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    module = {"vgg16": vgg, "densenet40": densenet, "wrn28-1": wide_resnet}.get(name, resnet)
    start = {
        "vgg16": partial(vgg.init, classes=classes, width=width),
        "resnet18": partial(resnet.init, form=resnet.RESNET18, classes=classes, width=width, stem=images),
        "resnet50": partial(resnet.init, form=resnet.RESNET50, classes=classes, width=width, stem=images),
        "densenet40": partial(densenet.init, classes=classes, width=width),
        "wrn28-1": partial(wide_resnet.init, classes=classes, width=width),
    }[name]
    return Classifier(jax.jit(start), _computing_in(module.predict, dtype), _computing_in(module.train, dtype))


@cache
def in_parts(predict: Callable[..., Array], images: int = 500) -> Callable[..., Array]:
    """`predict(params, statistics, x)` in evaluation mode, `images` of x at a time.

    What it computes is the same, as images do not see one another there; its memory does not grow with x. Equal
    arguments give the very same function.
    """

    def parted(params: PyTree, statistics: PyTree, x: Array) -> Array:
        if len(x) <= images:
            return predict(params, statistics, x)
        return jax.lax.map(lambda one: predict(params, statistics, one[None])[0], x, batch_size=images)

    return parted


@cache
def _computing_in(function: Callable[..., Any], dtype: DTypeLike) -> Callable[..., Any]:
    return partial(function, dtype=dtype)
