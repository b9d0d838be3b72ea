"""DenseNet-BC: its size, and PyTorch's training step for step."""

from functools import partial

import jax
import numpy as np
import pytest

from biassay.models import conv_norm, densenet

pytest.importorskip("torch")
import torch_networks as peer

GROWTH = 4
DEPTH = 10


@pytest.fixture(scope="module")
def trained():
    return peer.case(densenet, partial(densenet.init, classes=10, width=1 / 3, depth=DEPTH), side=12)


def test_the_parameters_are_as_many_as_counted():
    """The sum over the layers, by hand: kernels, scales and shifts, head."""
    k, c = 12, 24
    total = 27 * c
    for block in range(3):
        for _ in range(6):
            total += 2 * c + 4 * k * c + 2 * 4 * k + 9 * 4 * k * k
            c += k
        total += 2 * c
        if block < 2:
            total += c * (c // 2)
            c //= 2
    total += 10 * c + 10
    params, _ = jax.eval_shape(partial(densenet.init, classes=10), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == total == 176_122
    assert peer.count(lambda: peer.DenseNet(6, 12, 10)) == total


def test_training_equals_that_of_pytorch(trained):
    peer.check_agreement(trained, peer.DenseNet(1, GROWTH, 10))


def test_slips_would_be_seen(trained):
    slips = {
        "statistics": lambda: peer.DenseNet(1, GROWTH, 10, momentum=0.2),
        "training": lambda: peer.DenseNet(1, GROWTH, 10, pool=1),
    }
    peer.check_slips_are_seen(trained, slips)
    biased = peer.differences(trained.outcome, peer.theirs(peer.DenseNet(1, GROWTH, 10), trained, biased=True))
    assert biased["statistics"] > 1e-4


def test_bfloat16_touches_the_convolutions_alone(trained):
    peer.check_precision(trained)


def test_only_the_batch_norms_of_the_bottlenecks_fold(trained):
    """One of two in each layer; the others, one in each transition and the last are affine maps."""
    layers = 3 * (DEPTH - 4) // 6
    peer.check_fold(trained, weights=1 + 2 * layers + 2 + 1, unfolded=layers + 2 + 1)
    first = conv_norm.unfolded(trained.params, trained.statistics)[0]
    norm, running = trained.params.blocks[0].layers[0].norm, trained.statistics[0]
    x = np.linspace(-2, 2, 5)[:, None]
    expected = norm.scale * (x - running.mean) / np.sqrt(running.variance + 1e-5) + norm.shift
    np.testing.assert_allclose(first.scale * x + first.shift, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"classes": 0}, "classes"), ({"width": 0}, "width"), ({"depth": 4}, "4"), ({"depth": 41}, "41")],
)
def test_impossible_networks_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        densenet.init(jax.random.key(0), **{"classes": 10, **wrong})


@pytest.mark.nightly
def test_the_full_network_equals_that_of_pytorch():
    peer.check_agreement(
        peer.case(densenet, partial(densenet.init, classes=10), side=32, steps=1), peer.DenseNet(6, 12, 10)
    )
