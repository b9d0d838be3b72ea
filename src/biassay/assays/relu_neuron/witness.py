"""The witness: three points whose zero-loss set does not know g, and limits of gradient flow that do.

x_1 = (3, -1, 0), x_2 = (4, 2, 0), x_3 = (0, g, g), y = alpha (16, 18, 0). Weights are reported in units of alpha: the
neuron and its loss are homogeneous, so that alpha must drop out.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import diffrax
import jax.numpy as jnp
import numpy as np

from ...dynamics import AbstractDynamics, GradientDescent, GradientFlow
from ...models.linear_regression import linear_regression
from ...probes import weights
from ...references.relu_neuron import min_norm_zero_loss, witness, witness_limit
from ...simulation import PerSeed, simulate
from .config import Config
from .neuron import Neuron, neuron_problems, relu_loss, relu_neuron, small_start, softplus_neuron

Variables: TypeAlias = dict[str, tuple[Any, ...]]

LRS = (1e-3, 1e-2)
"""Step sizes of gradient descent."""
SEGMENT = np.linspace(-3, 1, 17)
"""The s of alpha (5, -1, s) at which the loss must vanish, and ..."""
BEYOND = 1.1
"""... one at which it must not."""
G_CURVE = np.geomspace(0.1, 30, 80)
"""The g of the curve of exact limits."""
START_SCALES = np.geomspace(1e-6, 1e-2, 9)
"""The epsilon of the starts whose exact limits are compared."""

_RECORDS = 100
_FINE_TIME = 0.5
_LINEAR_STEPS = 2_000_000
_PROBES = {"w": weights}


def _data(config: Config, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """X (g, 3, 3) and y (g, 3) of the witnesses at one scale."""
    X, y = zip(*(witness(g, alpha) for g in config.g), strict=True)
    return np.stack(X), np.stack(y)


def _all_scales(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """X and y of every scale and g, as lanes (scale g)."""
    X, y = zip(*(_data(config, alpha) for alpha in config.scales), strict=True)
    return np.concatenate(X), np.concatenate(y)


def gradient_flow(config: Config) -> Variables:
    """Gradient flow of the ReLU neuron: every scale and g, x_3 removed, and a start where no point is active.

    All are lanes of one program, which runs twice: finely over the times in which x_3 dies, then to the horizon.
    """
    size, alpha = len(config.g), config.scales[0]
    every_X, every_y = _all_scales(config)
    X, y = _data(config, alpha)
    removed = X.copy()
    removed[:, 2] = 0
    lanes_X, lanes_y = np.concatenate([every_X, removed, X]), np.concatenate([every_y, y, y])
    start = small_start(lanes_X, lanes_y, config.start)
    start[-size:] *= -1
    problem, lanes = neuron_problems(relu_neuron, lanes_X, lanes_y), len(lanes_y)

    def follow(time: float, start: PerSeed[Any], label: str) -> tuple[np.ndarray, np.ndarray, PerSeed[Any]]:
        flow = GradientFlow(time / _RECORDS, solver=diffrax.Dopri8(), rtol=1e-9, atol=1e-11)
        run = simulate(problem, flow, start, steps=_RECORDS, probes=_PROBES, record=_RECORDS, seeds=lanes, label=label)
        return run.data["time"].values, run.data["w"].values, run.select()

    fine = min(_FINE_TIME, config.horizon / 2)
    early, first, middle = follow(fine, PerSeed(jnp.asarray(start)), "gradient flow, early")
    late, second, _ = follow(config.horizon - fine, middle, "gradient flow, late")
    w, time = np.concatenate([first, second[:, 1:]], axis=1), np.concatenate([early, fine + late[1:]])
    end = w[:, -1]
    loss = relu_loss(lanes_X, lanes_y, end)
    shape, scale = (len(config.scales), size), np.array(config.scales)[:, None]
    return {
        "path": (("g", "time", "entry"), w[:size] / alpha, "weights along gradient flow / α"),
        "flow_time": (("time",), time, "time"),
        "limit": (("alpha", "g", "entry"), end[: -2 * size].reshape(*shape, 3) / scale[..., None], "limit of flow / α"),
        "loss": (("alpha", "g"), loss[: -2 * size].reshape(shape) / scale**2, "loss at the end of flow / α²"),
        "removed": (("g", "entry"), end[-2 * size : -size] / alpha, "limit of flow without x₃ / α"),
        "dead": (("g", "entry"), end[-size:] / alpha, "end of flow from a start where no point is active / α"),
        "dead_loss": (("g",), loss[-size:] / alpha**2, "loss at the end of flow from such a start / α²"),
    }


def gradient_descent(config: Config) -> Variables:
    """Gradient descent of the ReLU neuron at every step size, and of the softplus neuron at the smallest."""
    X, y = _all_scales(config)
    start = PerSeed(jnp.asarray(small_start(X, y, config.start)))
    scale = np.array(config.scales)[:, None, None]

    def end(neuron: Neuron, lr: float) -> np.ndarray:
        run = simulate(
            neuron_problems(neuron, X, y),
            GradientDescent(lr),
            start,
            steps=max(1, round(config.horizon / lr)),
            probes=_PROBES,
            record=1,
            seeds=len(y),
            label=f"{neuron.__name__}, lr {lr:g}",
        )
        return run.data["w"].values[:, -1].reshape(len(config.scales), len(config.g), 3) / scale

    own = ("alpha", "g", "entry")
    return {
        "gd": (("lr", *own), np.stack([end(relu_neuron, lr) for lr in LRS]), "end of gradient descent / α"),
        "softplus": (own, end(softplus_neuron, LRS[0]), "end of gradient descent of the softplus neuron / α"),
    }


def linear_neuron(config: Config) -> Variables:
    """Gradient descent of a linear neuron, at the step size 1 / sigma_max(X)^2 and until its slowest mode is gone."""
    X, y = _data(config, config.scales[0])
    curvatures = np.linalg.norm(X, 2, axis=(1, 2)) ** 2, np.linalg.norm(X, -2, axis=(1, 2)) ** 2
    steps = min(_LINEAR_STEPS, round(30 * (curvatures[0] / curvatures[1]).max()))
    dynamics: PerSeed[AbstractDynamics] = PerSeed(GradientDescent(jnp.asarray(1 / curvatures[0])))
    run = simulate(
        PerSeed(linear_regression(jnp.asarray(X), jnp.asarray(y))),
        dynamics,
        PerSeed(jnp.asarray(small_start(X, y, config.start))),
        steps=steps,
        probes=_PROBES,
        record=1,
        seeds=len(y),
        label="linear neuron",
    )
    w = run.data["w"].values[:, -1] / config.scales[0]
    return {"linear": (("g", "entry"), w, "end of gradient descent of the linear neuron / α")}


def exact(config: Config) -> Variables:
    """What needs no training: the limit by an eigendecomposition, the loss on the segment, the smallest solution."""
    limits = [witness_limit(g) for g in config.g]
    data = [_data(config, alpha) for alpha in config.scales]
    points = np.array([[5, -1, s] for s in (*SEGMENT, BEYOND)])
    loss = np.array(
        [
            [
                [relu_loss(X[i : i + 1], y[i : i + 1], alpha * p[None])[0] / alpha**2 for p in points]
                for i in range(len(X))
            ]
            for alpha, (X, y) in zip(config.scales, data, strict=True)
        ]
    )
    X, y = _data(config, 1.0)
    shifts = [
        [witness_limit(g, start=epsilon * x.T @ t).w[2] - limit.w[2] for epsilon in START_SCALES]
        for g, x, t, limit in zip(config.g, X, y, limits, strict=True)
    ]
    smallest = [np.linalg.norm(min_norm_zero_loss(x, t)) for x, t in zip(X, y, strict=True)]
    return {
        "exact": (("g", "entry"), np.stack([limit.w for limit in limits]), "limit by the matrix exponential / α"),
        "death": (("g",), np.array([limit.death for limit in limits]), "time t* at which x₃ becomes inactive"),
        "segment_loss": (("alpha", "g", "s"), loss[..., :-1], "loss at α (5, −1, s) / α²"),
        "beyond_loss": (("alpha", "g"), loss[..., -1], f"loss at α (5, −1, {BEYOND}) / α²"),
        "exact_curve": (("g_curve",), [witness_limit(g).w[2] for g in G_CURVE], "w₃ of the exact limit / α"),
        "start_shift": (("g", "start_scale"), np.array(shifts), "w₃ of the exact limit from ε Xᵀy minus that from 0"),
        "smallest_norm": (("g",), np.array(smallest), "norm of the smallest zero-loss solution / α"),
    }
