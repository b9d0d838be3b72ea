"""VGG16 with batch normalisation: the published size, and PyTorch's training step for step."""

from functools import partial

import jax
import numpy as np
import pytest

from biassay.models import vgg
from biassay.models.conv_norm import weights_in_order

pytest.importorskip("torch")
import torch_networks as peer

NARROW = [[k // 8 for k in group] for group in vgg.VGG16]


@pytest.fixture(scope="module")
def trained():
    return peer.case(vgg, partial(vgg.init, classes=10, width=1 / 8), side=32)


def test_the_parameters_are_as_many_as_published():
    params, _ = jax.eval_shape(partial(vgg.init, classes=10), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 14_728_266
    assert peer.count(lambda: peer.VGG(vgg.VGG16, 10)) == 14_728_266


def test_training_equals_that_of_pytorch(trained):
    peer.check_agreement(trained, peer.VGG(NARROW, 10))


def test_slips_would_be_seen(trained):
    peer.check_slips_are_seen(trained, {"statistics": lambda: peer.VGG(NARROW, 10, momentum=0.2)})
    biased = peer.differences(trained.outcome, peer.theirs(peer.VGG(NARROW, 10), trained, biased=True))
    assert biased["statistics"] > 1e-3


def test_bfloat16_touches_the_convolutions_alone(trained):
    peer.check_precision(trained)


def test_every_batch_norm_folds(trained):
    peer.check_fold(trained, weights=14, unfolded=0)
    layer, statistics = trained.params.groups[0][0], trained.statistics[0]
    a = layer.norm.scale / np.sqrt(statistics.variance + 1e-5)
    (first, *_) = weights_in_order(trained.params, trained.statistics)
    np.testing.assert_allclose(first, layer.weight * a, rtol=1e-5)


def test_larger_images_run_and_smaller_ones_are_refused(trained):
    def shape(side):
        x = jax.ShapeDtypeStruct((2, side, side, 3), np.float32)
        return jax.eval_shape(vgg.predict, trained.params, trained.statistics, x).shape

    assert shape(224) == shape(32) == (2, 10)
    with pytest.raises(ValueError, match="larger images"):
        shape(31)


@pytest.mark.parametrize(("wrong", "words"), [({"classes": 0}, "classes"), ({"width": float("inf")}, "width")])
def test_impossible_networks_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        vgg.init(jax.random.key(0), **{"classes": 10, **wrong})


@pytest.mark.nightly
def test_the_full_network_equals_that_of_pytorch():
    peer.check_agreement(peer.case(vgg, partial(vgg.init, classes=10), side=32, steps=1), peer.VGG(vgg.VGG16, 10))
