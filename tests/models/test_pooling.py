"""Pooling and convolution against PyTorch, on images with odd sides too, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biassay.models.convolution import convolve
from biassay.models.pooling import max_pool, mean_pool, stem_pool

torch = pytest.importorskip("torch")
KERNEL = jnp.asarray(np.random.default_rng(1).normal(size=(3, 3, 2, 2)), jnp.float32)
TORCH_KERNEL = torch.from_numpy(np.array(KERNEL).transpose(3, 2, 0, 1).copy())
PAIRS = {
    "max": (max_pool, torch.nn.MaxPool2d(2)),
    "mean": (mean_pool, torch.nn.AvgPool2d(2)),
    "stem": (stem_pool, torch.nn.MaxPool2d(3, 2, padding=1)),
    "stride": (
        lambda x: convolve(x, KERNEL, 2),
        lambda x: torch.nn.functional.conv2d(x, TORCH_KERNEL, None, 2, 1),
    ),
}


@pytest.mark.parametrize(("name", "side"), [("max", 7), ("mean", 7), ("stem", 6), ("stem", 7), ("stride", 6)])
def test_values_and_gradients_equal_those_of_pytorch(name, side):
    ours, theirs = PAIRS[name]
    x = np.random.default_rng(0).normal(size=(2, side, side, 2)).astype(np.float32)
    inputs = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    y = theirs(inputs)
    (y**2).sum().backward()
    value, pull = jax.vjp(jax.jit(ours), jnp.asarray(x))
    (gradient,) = pull(2 * value)
    np.testing.assert_allclose(value, y.detach().numpy().transpose(0, 2, 3, 1), atol=1e-5)
    np.testing.assert_allclose(gradient, inputs.grad.numpy().transpose(0, 2, 3, 1), atol=1e-4)


def test_padding_as_xla_would_is_another_convolution():
    """At an even side with stride 2, "SAME" shifts the grid by a pixel."""
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    same = jax.lax.conv_general_dilated(x, KERNEL, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    assert float(jnp.abs(convolve(jnp.asarray(x), KERNEL, 2) - same).max()) > 0.1


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="larger images"):
        max_pool(jnp.ones((1, 1, 4, 2)))
    with pytest.raises(ValueError, match="odd side"):
        convolve(jnp.ones((1, 4, 4, 2)), jnp.ones((2, 2, 2, 3)))
