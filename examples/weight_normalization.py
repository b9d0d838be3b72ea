"""Weight normalization around any Optax optimizer: gradient descent that finds a sparse vector from a large start.

A diagonal linear network is fitted to 40 equations in 100 unknowns from w = 0.1 (1, ..., 1), with and without.
"""

import numpy as np
import optax

import biassay as ba
from biassay.models.diagonal_linear import coefficients, diagonal_linear

rng = np.random.default_rng(0)
A, sparse = rng.normal(size=(40, 100)) / 40**0.5, np.zeros(100)
sparse[:5] = [1, -1, 1, 1, -1]
problem = diagonal_linear(A, A @ sparse)
start = np.full(200, 0.1)  # the squared norm of the start, 2, is 0.4 times the L1 norm of the sparse vector

optimizers = {
    "plain": optax.sgd(0.02),
    "weight normalization": ba.dynamics.weight_normalization(optax.sgd(0.02), ratio=0.1),
}
limits = {
    "plain": ba.references.plain_limit(A, A @ sparse, 0.1),
    "weight normalization": ba.references.weight_normalized_limit(A, A @ sparse, 0.1, eta=0.1),
}
errors = {}
for name, optimizer in optimizers.items():
    result = ba.simulate(problem, ba.Optax(optimizer), start, steps=20_000)
    x, limit = np.asarray(coefficients(result.params[0], depth=2)), limits[name].x[0]
    errors[name], exact = (np.linalg.norm(found - sparse) / np.linalg.norm(sparse) for found in (x, limit))
    residual = np.linalg.norm(A @ (x - sparse))  # with a small ratio it falls slowly: this run is not finished
    print(f"{name}: relative error {errors[name]:.1g} at residual {residual:.0e}; exact limit of its flow {exact:.1g}")
