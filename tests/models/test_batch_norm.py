"""Batch normalisation: PyTorch's numbers, and the update of the running statistics by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models import batch_norm, conv_norm, vgg
from biassay.models.batch_norm import BatchNorm, Pass, Statistics

B, SIDE, C = 3, 2, 4
N = B * SIDE * SIDE


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(2, 3, (B, SIDE, SIDE, C)), jnp.float32)
    parts = [jnp.asarray(rng.uniform(0.5, 1.5, C), jnp.float32) for _ in range(4)]
    return BatchNorm(*parts[:2]), Statistics(*parts[2:]), x


def test_the_definition(drawn):
    norm, before, x = drawn
    m, v = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y, after = batch_norm.train(norm, before, x)
    np.testing.assert_allclose(y, (x - m) / np.sqrt(v + 1e-5) * norm.scale + norm.shift, atol=2e-6)
    np.testing.assert_allclose(after.mean, 0.9 * before.mean + 0.1 * m, rtol=1e-6)
    np.testing.assert_allclose(after.variance, 0.9 * before.variance + 0.1 * v * N / (N - 1), rtol=1e-6)
    expected = (x - before.mean) / np.sqrt(before.variance + 1e-5) * norm.scale + norm.shift
    np.testing.assert_allclose(batch_norm.evaluate(norm, before, x), expected, atol=1e-5)


def test_pytorch_does_the_same(drawn):
    torch = pytest.importorskip("torch")
    norm, before, x = drawn

    def theirs(momentum):
        layer = torch.nn.BatchNorm2d(C, momentum=momentum)
        names = ("weight", "bias", "running_mean", "running_var")
        state = {name: torch.from_numpy(np.array(leaf)) for name, leaf in zip(names, (*norm, *before), strict=True)}
        layer.load_state_dict(state, strict=False)
        inputs = torch.from_numpy(np.array(x).transpose(0, 3, 1, 2).copy()).requires_grad_()
        y = layer(inputs)
        (y**3).sum().backward()
        parts = (y, inputs.grad)
        channels_last = [part.detach().numpy().transpose(0, 2, 3, 1) for part in parts]
        return *channels_last, layer.weight.grad.numpy(), layer.running_mean.numpy(), layer.running_var.numpy()

    def risk(norm, x):
        y, after = batch_norm.train(norm, before, x)
        return (y**3).sum(), (y, after)

    (gradient, dx), (y, after) = jax.grad(risk, (0, 1), has_aux=True)(norm, x)
    ours = (y, dx, gradient.scale, after.mean, after.variance)
    for mine, other in zip(ours, theirs(0.1), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5 * float(np.abs(other).max()))
    wrong = theirs(0.9)
    assert np.abs(after.mean - wrong[3]).max() > 0.1, "a momentum taken the other way round would be seen"
    biased = after.variance - 0.1 * x.var((0, 1, 2)) / (N - 1)
    assert np.abs(biased - wrong[4]).max() > 0.01, "so would a biased running variance"


def test_a_pass_hands_out_the_statistics_in_order(drawn):
    norm, before, x = drawn
    other = Statistics(before.mean + 1, before.variance * 2)
    training = Pass((before, other), training=True)
    first = training(norm, x)
    training(norm, first)
    np.testing.assert_array_equal(training.after[0].mean, batch_norm.train(norm, before, x)[1].mean)
    np.testing.assert_array_equal(training.after[1].mean, batch_norm.train(norm, other, first)[1].mean)
    still = Pass((before, other), training=False)
    np.testing.assert_array_equal(still(norm, x), batch_norm.evaluate(norm, before, x))
    assert still.after == [before]


def test_low_precision_is_left_only_at_the_end(drawn):
    """A mean of 300 leaves bfloat16 a spacing of 2: statistics taken in it would be far off."""
    norm, before, x = drawn
    rough = jnp.asarray(x + 300, jnp.bfloat16)
    y, after = batch_norm.train(norm, before, rough)
    exact = np.asarray(rough, np.float64)
    assert y.dtype == jnp.bfloat16
    assert after.mean.dtype == after.variance.dtype == jnp.float32
    v = 0.9 * before.variance + 0.1 * exact.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(after.variance, v, rtol=1e-5)
    low = jnp.mean((rough - jnp.mean(rough, (0, 1, 2))) ** 2, (0, 1, 2)) * N / (N - 1)
    assert np.abs(0.9 * before.variance + 0.1 * low.astype(jnp.float32) - v).max() > 1e-3


def test_one_number_a_channel_is_refused(drawn):
    norm, before, _ = drawn
    with pytest.raises(ValueError, match="two numbers a channel"):
        batch_norm.train(norm, before, jnp.ones((1, 1, 1, C)))


def test_another_number_of_statistics_is_refused():
    init = functools.partial(vgg.init, classes=10, width=1 / 8, plan=((64,), (64,)))
    params, statistics = init(jax.random.key(1))
    x = jnp.zeros((2, 8, 8, 3))
    with pytest.raises(ValueError, match="statistics of 1 batch norms, and more batch norms"):
        vgg.predict(params, statistics[:1], x)
    with pytest.raises(ValueError, match="statistics of 1 batch norms, and more batch norms"):
        conv_norm.fold(params, statistics[:1])
    with pytest.raises(ValueError, match="more than the 2 batch norms"):
        conv_norm.fold(params, (*statistics, statistics[0]))
