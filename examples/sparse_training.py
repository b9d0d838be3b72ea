"""Train a network towards exact zeros: wrap the optimizer you have, and take the sparse weights at the end."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, PyTree

import biassay as ba
from biassay.data import digits
from biassay.models import small_cnn
from biassay.problem import cross_entropy

data = digits.split(jax.random.key(0), train=1000, test=700)
x, test_x = digits.normalise(data.x), digits.normalise(data.test_x)
start = small_cnn.init(jax.random.key(1), channels=(4, 8, 8), side=8, classes=10)


def kernels(params: PyTree[Array]) -> PyTree[bool]:
    """What shall become sparse: the kernels and the head's weights, not the biases."""
    return jax.tree.map(lambda leaf: leaf.ndim == 2, params)


def right(params: small_cnn.SmallCNN) -> Bool[Array, " n"]:
    return jnp.argmax(small_cnn.predict(params, test_x), axis=1) == data.test_y


def train(
    optimizer: optax.GradientTransformation, epochs: int = 25, batch: int = 50
) -> tuple[small_cnn.SmallCNN, optax.OptState]:
    @jax.jit
    def step(params, state, index):
        def risk(params):
            return jnp.mean(cross_entropy(small_cnn.predict(params, x[index]), data.y[index]))

        updates, state = optimizer.update(jax.grad(risk)(params), state, params)
        return optax.apply_updates(params, updates), state

    params, state = start, optimizer.init(start)
    for epoch in range(epochs):
        for index in jax.random.permutation(jax.random.key(epoch), len(x)).reshape(-1, batch):
            params, state = step(params, state, index)
    return params, state


sgd = optax.sgd(0.03, momentum=0.9)
splitting = ba.dynamics.relaxed_splitting(sgd, penalty=ba.dynamics.TransformedL1(), lam=0.005, beta=0.3, mask=kernels)

dense, _ = train(sgd)
weights, state = train(splitting)
networks = {"dense": dense, "sparse": ba.dynamics.sparse_params(state)}

accuracy, zeros = {}, {}
for name, params in networks.items():
    sparse = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]
    accuracy[name] = float(right(params).mean())
    zeros[name] = sum(int((leaf == 0).sum()) for leaf in sparse) / sum(leaf.size for leaf in sparse)
    print(f"{name}: {zeros[name]:.0%} of the weights are exactly zero, test accuracy {accuracy[name]:.3f}")
