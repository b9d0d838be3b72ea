"""Noise in the labels, in a training loop of your own: any Optax optimizer, any model, one line.

The network fits eight points either way. While there is label noise it moves along the solutions, to one whose output
depends less on the parameters, and stays there when the noise ends. Run it: `python examples/your_own_loop.py`.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

import biassay as ba

STEPS = 60_000


def network(params: dict[str, Array], x: Float[Array, "n 1"]) -> Float[Array, " n"]:
    return jnp.tanh(x @ params["w"] + params["b"]) @ params["v"]


def loss(params: dict[str, Array], x: Float[Array, "n 1"], y: Float[Array, " n"]) -> Float[Array, ""]:
    return jnp.mean((network(params, x) - y) ** 2)


def train(params: dict[str, Array], std: float) -> dict[str, Array]:
    noise = ba.dynamics.label_noise(network, std)  # the gradient is the mean of (h - y)^2: curvature 2
    optimizer = optax.chain(noise, optax.sgd(0.02))

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, x, y), state, params, inputs=x)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), None, length=STEPS)
    return params


x = jnp.linspace(-1, 1, 8)[:, None]
y = jnp.sin(3 * x[:, 0])
w, b, v = jax.random.normal(jax.random.key(0), (3, 30))
start = {"w": w[None], "b": b, "v": v}

losses, sizes = {}, {}
for std in (0.0, 0.7):
    params = train(train(start, std), 0.0)
    gradients = jax.jacrev(network)(params, x)
    losses[std] = float(loss(params, x, y))
    sizes[std] = float(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradients))) / len(x)
    print(f"noise {std}, then none: loss {losses[std]:.1e}, mean |gradient of the output|^2 {sizes[std]:.1f}")
