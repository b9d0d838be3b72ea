"""Wide residual networks: their sizes, and PyTorch's training step for step."""

from functools import partial

import jax
import numpy as np
import pytest

from biassay.models import batch_norm, conv_norm, wide_resnet

pytest.importorskip("torch")
import torch_networks as peer

DEPTH = 10
FORMS = {"narrower than the stem": (1 / 4, [4, 8, 16]), "as wide as the stem": (1.0, [16, 32, 64])}


def network(widths, n=1, classes=10, **slips):
    return peer.WideResNet(n, widths, classes, **slips)


@pytest.fixture(scope="module")
def trained():
    """Each form, trained once for all tests. Only the second has a block whose shape stays."""
    init = partial(wide_resnet.init, classes=10, depth=DEPTH)
    return {name: peer.case(wide_resnet, partial(init, width=width), side=12) for name, (width, _) in FORMS.items()}


@pytest.mark.parametrize(("depth", "width", "published"), [(28, 1, 369_498), (28, 10, 36_479_194)])
def test_the_parameters_are_as_many_as_published(depth, width, published):
    """The first number is what the demonstration of random labels prints, the second the paper's 36.5 million."""
    init = partial(wide_resnet.init, classes=10, width=width, depth=depth)
    params, statistics = jax.eval_shape(init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == published
    assert peer.count(lambda: network([16 * width, 32 * width, 64 * width], n=(depth - 4) // 6)) == published
    assert len(statistics) == depth - 3, "one batch norm in front of every 3x3 but the stem, and the last"


@pytest.mark.parametrize("name", FORMS)
def test_training_equals_that_of_pytorch(trained, name):
    peer.check_agreement(trained[name], network(FORMS[name][1]))


@pytest.mark.parametrize("name", FORMS)
def test_slips_would_be_seen(trained, name):
    widths = FORMS[name][1]
    slips = {
        "statistics": lambda: network(widths, momentum=0.2),
        "training": lambda: network(widths, last_stride=1),
        "evaluation": lambda: network(widths, early=True),
    }
    peer.check_slips_are_seen(trained[name], slips)
    biased = peer.differences(trained[name].outcome, peer.theirs(network(widths), trained[name], biased=True))
    assert biased["statistics"] > 1e-4


def test_bfloat16_touches_the_convolutions_alone(trained):
    peer.check_precision(trained["narrower than the stem"])


def test_only_the_first_convolution_of_a_block_folds(trained):
    """Of a block's two batch norms one is behind a convolution; the other and the last are affine maps."""
    peer.check_fold(trained["narrower than the stem"], weights=1 + 3 * 3 + 1, unfolded=3 + 1)
    peer.check_fold(trained["as wide as the stem"], weights=1 + 3 * 2 + 2 + 1, unfolded=3 + 1)
    deep = jax.eval_shape(partial(wide_resnet.init, classes=10), jax.random.key(0))
    assert len(jax.eval_shape(conv_norm.weights_in_order, *deep)) == 1 + 12 * 2 + 2 + 1


def test_the_start_is_that_of_the_demonstration():
    params, statistics = wide_resnet.init(jax.random.key(0), classes=10, width=4)
    second = params.groups[2][0].second
    assert float(second.std()) == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert float(params.groups[1][0].shortcut.std()) == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    assert float(params.head.weight.std()) == pytest.approx((2 / 266) ** 0.5, rel=0.05)
    np.testing.assert_array_equal(params.head.bias, 0)
    norms = [n for n in jax.tree.leaves(params, is_leaf=_is_norm) if _is_norm(n)]
    assert len(norms) == len(statistics) == 25
    assert all(bool((norm.scale == 1).all() & (norm.shift == 0).all()) for norm in norms)


def _is_norm(node):
    return isinstance(node, batch_norm.BatchNorm)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"classes": 0}, "classes"), ({"width": 0}, "width"), ({"depth": 4}, "4"), ({"depth": 27}, "27")],
)
def test_impossible_networks_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        wide_resnet.init(jax.random.key(0), **{"classes": 10, **wrong})


@pytest.mark.nightly
@pytest.mark.usefixtures("x64")
def test_the_full_network_equals_that_of_pytorch():
    """In double precision: in single, rounding now and then turns a relu over in 28 layers."""
    case = peer.case(wide_resnet, partial(wide_resnet.init, classes=10), side=32, steps=1, dtype=np.float64)
    peer.check_agreement(case, network([16, 32, 64], n=4), tolerance=1e-10)
