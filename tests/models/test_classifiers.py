"""The deep classifiers by name: one function for one architecture, and what each name stands for."""

import doctest
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import classifiers
from biassay.models.classifiers import classifier

NAMES = {"vgg16": 14_728_266, "resnet18": 11_173_962, "resnet50": 23_520_842, "densenet40": 176_122, "wrn28-1": 369_498}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_gives_its_network(name):
    net = classifier(name, 10)
    params, statistics = jax.eval_shape(net.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == NAMES[name]
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    logits, after = jax.eval_shape(net.train, params, statistics, x)
    assert logits.shape == jax.eval_shape(net.predict, params, statistics, x).shape == (2, 10)
    assert after == statistics, "the same structure, shapes and precision"


def test_equal_arguments_give_the_same_functions_and_compile_once():
    traced = []

    @partial(jax.jit, static_argnums=0)
    def count(predict, x):
        traced.append(predict)
        return x

    for same in (
        classifier("resnet18", 10, width=0.5),
        classifier("resnet18", 10, 0.5),
        classifier("resnet18", classes=100),
    ):
        count(same.predict, 1.0)
    assert len(traced) == 1
    count(classifier("resnet18", 10, width=0.5, precision="bfloat16").predict, 1.0)
    assert len(traced) == 2


def test_the_example_in_the_module_runs():
    assert doctest.testmod(classifiers) == (0, 5)


def test_images_of_imagenet_get_their_stem():
    small, large = (classifier("resnet50", 9, images=images) for images in ("cifar", "imagenet"))
    sides = [jax.eval_shape(net.init, jax.random.key(0))[0].stem.weight.shape[0] for net in (small, large)]
    assert sides == [3, 7]
    x = jax.ShapeDtypeStruct((2, 224, 224, 3), np.float32)
    assert jax.eval_shape(large.predict, *jax.eval_shape(large.init, jax.random.key(0)), x).shape == (2, 9)


def test_images_in_parts_get_the_logits_of_all_at_once():
    net = classifier("resnet18", 10, width=1 / 16)
    params, _ = net.init(jax.random.key(0))
    # Running statistics that are not those of the images: parts of a batch would otherwise look alike.
    statistics = jax.tree.map(lambda leaf: leaf + 0.5, net.init(jax.random.key(1))[1])
    x = jax.random.normal(jax.random.key(2), (7, 8, 8, 3))
    whole = np.asarray(jax.jit(net.predict)(params, statistics, x))
    for images in (3, 7):
        parts = classifiers.in_parts(net.predict, images)
        assert parts is classifiers.in_parts(net.predict, images)
        np.testing.assert_allclose(jax.jit(parts)(params, statistics, x), whole, atol=1e-5 * np.abs(whole).max())
    loops = [str(jax.make_jaxpr(classifiers.in_parts(net.predict, n))(params, statistics, x)) for n in (3, 7)]
    assert ["scan" in loop for loop in loops] == [True, False]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "resnet34"}, "vgg16, resnet18, resnet50, densenet40"),
        ({"images": "mnist"}, "cifar, imagenet"),
        ({"precision": "float16"}, "float32, bfloat16"),
        ({"name": "densenet40", "images": "imagenet"}, "densenet40 has only the form for cifar"),
        ({"name": "wrn28-1", "images": "imagenet"}, "wrn28-1 has only the form for cifar"),
    ],
)
def test_what_there_is_not_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        classifier(**{"name": "vgg16", "classes": 10, **wrong})
