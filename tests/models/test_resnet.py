"""ResNet18 and ResNet50: the published sizes, and PyTorch's training step for step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import conv_norm, resnet

pytest.importorskip("torch")
import torch_networks as peer

WIDTHS = [8, 16, 32, 64]
SHORT = resnet.Form((1, 1, 1, 1), bottleneck=True)
FORMS = {"basic": resnet.RESNET18, "bottleneck": SHORT}


def network(form, widths=WIDTHS, classes=10, **slips):
    return peer.ResNet(*form, widths, classes, **slips)


@pytest.fixture(scope="module")
def trained():
    """Each form, trained once for all tests."""
    init = partial(resnet.init, classes=10, width=1 / 8)
    return {name: peer.case(resnet, partial(init, form=form), side=16) for name, form in FORMS.items()}


@pytest.mark.parametrize(
    ("form", "classes", "stem", "published"),
    [
        (resnet.RESNET18, 10, "cifar", 11_173_962),
        (resnet.RESNET50, 10, "cifar", 23_520_842),
        (resnet.RESNET18, 1000, "imagenet", 11_689_512),
        (resnet.RESNET50, 1000, "imagenet", 25_557_032),
    ],
)
def test_the_parameters_are_as_many_as_published(form, classes, stem, published):
    params, _ = jax.eval_shape(partial(resnet.init, form=form, classes=classes, stem=stem), jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == published
    assert peer.count(lambda: network(form, resnet.STAGES, classes, imagenet=stem == "imagenet")) == published


@pytest.mark.parametrize("name", FORMS)
def test_training_equals_that_of_pytorch(trained, name):
    peer.check_agreement(trained[name], network(FORMS[name]))


@pytest.mark.parametrize("name", FORMS)
def test_slips_would_be_seen(trained, name):
    slips = {
        "statistics": lambda: network(FORMS[name], momentum=0.2),
        "training": lambda: network(FORMS[name], last_stride=1),
    }
    peer.check_slips_are_seen(trained[name], slips)
    biased = peer.differences(trained[name].outcome, peer.theirs(network(FORMS[name]), trained[name], biased=True))
    assert biased["statistics"] > 1e-3
    assert biased["training"] < 1e-5, "the batch itself is normalised by the biased variance"


def test_the_stem_for_imagenet_equals_that_of_pytorch():
    form = resnet.Form((1, 1, 1, 1), bottleneck=False)
    init = partial(resnet.init, form=form, classes=10, width=1 / 8, stem="imagenet")
    params, statistics = peer.start(init)
    x, y = peer.images(4, 65, 10)
    logits = np.asarray(jax.jit(resnet.predict)(params, statistics, jnp.asarray(x)))
    outcome = peer.Outcome(np.empty((0, 4, 10)), [], [], logits)
    case = peer.Case(resnet, params, statistics, x, y, outcome)
    found = peer.theirs(network(form, imagenet=True), case).evaluation
    np.testing.assert_allclose(found, logits, atol=1e-5 * np.abs(logits).max())


def test_bfloat16_touches_the_convolutions_alone(trained):
    peer.check_precision(trained["bottleneck"])


def test_every_batch_norm_folds(trained):
    peer.check_fold(trained["basic"], weights=21, unfolded=0)
    deep = jax.eval_shape(partial(resnet.init, form=resnet.RESNET50, classes=10), jax.random.key(0))
    assert len(jax.eval_shape(conv_norm.weights_in_order, *deep)) == 54
    assert conv_norm.unfolded(trained["bottleneck"].params, trained["bottleneck"].statistics) == ()


def test_the_folded_network_is_affine_maps_and_relu(trained):
    """The first block without any batch norm: convolution, bias, relu, convolution, bias, sum, relu."""
    case = trained["basic"]
    params, relu = conv_norm.fold(case.params, case.statistics)[0], jax.nn.relu

    def affine(x, layer):
        names = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, layer.weight, (1, 1), "SAME", dimension_numbers=names) + layer.norm.shift

    first, second = params.stages[0][0].convolutions
    x = relu(affine(case.x, params.stem))
    expected = relu(x + affine(relu(affine(x, first)), second))
    norm = resnet.Pass(case.statistics, training=False)
    x = relu(conv_norm.apply(case.params.stem, norm, jnp.asarray(case.x)))
    found = resnet._residual(case.params.stages[0][0], norm, x, 1, jnp.float32)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"classes": 0}, "classes"), ({"width": 0.0}, "width"), ({"width": -1}, "width"), ({"stem": "large"}, "stem")],
)
def test_impossible_networks_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        resnet.init(jax.random.key(0), **{"form": SHORT, "classes": 10, "width": 1 / 16, **wrong})


@pytest.mark.nightly
@pytest.mark.parametrize("form", [resnet.RESNET18, resnet.RESNET50])
def test_the_full_networks_equal_those_of_pytorch(form):
    case = peer.case(resnet, partial(resnet.init, form=form, classes=10), side=32, steps=1)
    peer.check_agreement(case, network(form, resnet.STAGES))


@pytest.mark.nightly
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("form", [resnet.RESNET18, resnet.RESNET50])
def test_the_full_networks_for_imagenet_equal_those_of_pytorch(form):
    """In double precision: in single, rounding now and then turns a relu or a maximum over, which moves weights by 1e-4
    where the logits agree to 1e-6."""
    init = partial(resnet.init, form=form, classes=10, stem="imagenet")
    case = peer.case(resnet, init, side=64, steps=1, dtype=np.float64)
    peer.check_agreement(case, network(form, resnet.STAGES, imagenet=True), tolerance=1e-10)
