"""Would label noise move this solution? Asked of a network that gradient descent has trained to zero error.

python examples/stability.py
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

import biassay as ba
from biassay.problem import squared_error
from biassay.references import drift_flow

jax.config.update("jax_enable_x64", True)


def network(params: PyTree, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jnp.tanh(x @ params["w"]) @ params["c"]


def outer_layer(c: Float[Array, " m"], activations: Float[Array, "n m"]) -> Float[Array, " n"]:
    return activations @ c


x_key, w_key, c_key = jax.random.split(jax.random.key(0), 3)
x, y = jax.random.normal(x_key, (2, 3)), jnp.array([1.0, -0.5])
start = {"w": jax.random.normal(w_key, (3, 10)), "c": jax.random.normal(c_key, (10,))}
problem = ba.Problem(network, x, y, squared_error)
run = ba.simulate(problem, ba.GradientDescent(lr=0.03), start, steps=3000)
trained = jax.tree.map(lambda leaf: leaf[0], run.params)

# With step size, noise and batch size the drift is told in steps of SGD, beside the verdict.
noise = {"lr": 0.01, "std": 0.3, "batch_size": 1}
before = ba.label_noise_stability(problem, trained, move=0.5, **noise)
print(f"gradient descent: {before}\n")

# Where the drift ends, label noise has nothing left to do.
end = jax.jit(lambda params: drift_flow(problem, params, 400.0, steps=8000))(trained)
after = ba.label_noise_stability(problem, end, **noise)
print(f"end of the drift: {after}\n")

# A model that is linear in what is trained has no such preference.
units = jnp.tanh(x @ trained["w"])
linear = ba.label_noise_stability(ba.Problem(outer_layer, units, y, squared_error), trained["c"])
print(f"outer layer alone: {linear}")
