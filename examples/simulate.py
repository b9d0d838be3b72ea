"""Train your own problem from many seeds at many step sizes at once, and record where it goes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

import biassay as ba
from biassay.problem import half_squared_error


def linear(w: Float[Array, " d"], x: Float[Array, "n d"]) -> Float[Array, " n"]:
    return x @ w


def start(key: Key[Array, ""]) -> Float[Array, " d"]:
    return 0.1 * jax.random.normal(key, (40,))


def distance_to_least_norm(problem: ba.Problem, w: Float[Array, " d"]) -> Float[Array, ""]:
    """Distance to the solution of least norm."""
    return jnp.linalg.norm(w - jnp.linalg.pinv(problem.x) @ problem.y)


x_key, y_key = jax.random.split(jax.random.key(0))
x, y = jax.random.normal(x_key, (10, 40)), jax.random.normal(y_key, (10,))
problem = ba.Problem(network=linear, x=x, y=y, loss=half_squared_error)

result = ba.simulate(
    problem,
    ba.GradientDescent(lr=0.1),
    start,
    steps=2000,
    seeds=8,
    sweep={"lr": (0.05, 0.1)},
    probes={"distance": distance_to_least_norm},
)
print(result.data)
print(result.data.distance.isel(step=-1).to_pandas())
