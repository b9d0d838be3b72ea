"""Add your own dynamics, probe and assay: does sign momentum find the minimum-norm solution, as gradient descent does?

With fewer equations than unknowns, X w = y with X of shape (n, d) and n < d, every least-squares gradient
X^T (X w - y) / n is a combination of the rows of X. Gradient descent from w = 0 therefore never leaves their span, and
the one solution in the span is the one of minimum norm. The sign of a gradient is no such combination.

Run it: `python examples/add_your_own.py`. Then write `v / jnp.linalg.norm(v)` for `jnp.sign(v)` and run it again: the
verdict turns to `fails`, because momentum and normalisation stay in the span.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import xarray as xr
from jaxtyping import Array, Float, Int, Key, Scalar

import biassay as ba
from biassay.assay import Assay
from biassay.claims import Claim
from biassay.figures import Figure, Panel, quantile_band
from biassay.problem import half_squared_error


class SignMomentum(ba.AbstractDynamics):
    """v <- beta v + (1 - beta) g;  w <- w - lr decay^t sign(v), for a vector w. A sign does not shrink, so lr must."""

    lr: float
    beta: float
    decay: float

    def init(self, problem: ba.Problem, params: Array) -> tuple[Array, Array]:
        return jnp.zeros_like(params), jnp.asarray(self.lr, params.dtype)

    def noise(self, problem: ba.Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> None:
        """There is no randomness."""

    def step(self, problem: ba.Problem, params: Array, state: tuple[Array, Array], noise: None) -> tuple[Array, tuple]:
        v, lr = state
        v = self.beta * v + (1 - self.beta) * problem.gradient(params)
        return params - lr * jnp.sign(v), (v, self.decay * lr)

    def time_step(self, state: tuple[Array, Array]) -> Scalar:
        return state[1]


def outside_span(problem: ba.Problem, w: Float[Array, " d"]) -> Float[Array, ""]:
    """Share of w outside the span of the data."""
    inside = problem.x.T @ jnp.linalg.solve(problem.x @ problem.x.T, problem.x @ w)
    return jnp.linalg.norm(w - inside) / jnp.maximum(jnp.linalg.norm(w), 1e-30)


def relative_residual(problem: ba.Problem, w: Float[Array, " d"]) -> Float[Array, ""]:
    """Residual |X w - y| as a share of |y|."""
    return jnp.linalg.norm(problem.x @ w - problem.y) / jnp.linalg.norm(problem.y)


@dataclass(frozen=True)
class Config:
    """n equations, d unknowns."""

    n: int = 10
    d: int = 40
    steps: int = 4000
    seed: int = 0
    seeds: int = 16


def linear(w: Float[Array, " d"], x: Float[Array, "n d"]) -> Float[Array, " n"]:
    return x @ w


def equations(key: Key[Array, ""], n: int, d: int) -> ba.Problem:
    x_key, y_key = jax.random.split(key)
    return ba.Problem(linear, jax.random.normal(x_key, (n, d)), jax.random.normal(y_key, (n,)), half_squared_error)


def run(config: Config) -> xr.Dataset:
    keys = jax.vmap(jax.random.key)(jnp.arange(config.seed, config.seed + config.seeds))
    problem = ba.PerSeed(jax.vmap(equations, (0, None, None))(keys, config.n, config.d))
    arms = {"sign momentum": SignMomentum(lr=0.01, beta=0.9, decay=0.995), "gradient descent": ba.GradientDescent(0.1)}
    probes = {"outside_span": outside_span, "residual": relative_residual}
    settings = {"steps": config.steps, "seeds": config.seeds, "seed": config.seed, "probes": probes, "label": "span"}
    runs = [ba.simulate(problem, arm, jnp.zeros(config.d), **settings).data.drop_vars("time") for arm in arms.values()]
    return xr.concat(runs, xr.Variable("arm", list(arms)))


def end(variable: str, arm: str) -> Callable[[xr.Dataset], xr.DataArray]:
    return lambda data: data[variable].sel(arm=arm).isel(step=-1)


def figures(data: xr.Dataset) -> tuple[Figure, ...]:
    share = data.outside_span
    sign = quantile_band(data.step, share.sel(arm="sign momentum"), "sign momentum", "result")
    descent = quantile_band(data.step, share.sel(arm="gradient descent"), "gradient descent", "control")
    panel = Panel(title="", xlabel="step", ylabel="share outside the span", series=(sign, descent), region=(0.1, 1.0))
    return (Figure(name="outside-span", title="Leaving the span", caption="Only one arm leaves it.", panels=(panel,)),)


ASSAY = Assay(
    name="sign-momentum",
    sentence="Sign momentum does not find the minimum-norm solution: it leaves the span of the data.",
    mathematics=r"$w \in \mathrm{span}(x_1, \dots, x_n)$ is kept by $X^\top (Xw - y)$, not by its sign.",
    papers=("gunasekar2018geometry",),
    profiles={"quick": Config()},
    run=run,
    claims=(
        Claim(
            name="leaves-span",
            says="Sign momentum from zero ends at a solution outside the span of the data.",
            cite="gunasekar2018geometry",
            provenance="derived",
            measure=end("outside_span", "sign momentum"),
            region=(0.1, 1.0),
            premise=lambda data: data.residual.isel(step=-1).max("arm") < 1e-6,
            premise_says="both arms solve the equations",
            control=end("outside_span", "gradient descent"),
            control_says="gradient descent on the same equations, from the same start",
            control_region=(0.0, 1e-9),
        ),
    ),
    figures=figures,
)


if __name__ == "__main__":
    with jax.enable_x64(True):
        data = ASSAY.run(ASSAY.profiles["quick"])
    for verdict in ASSAY.judge(data):
        print(f"{verdict.claim}: {verdict.outcome} ({verdict.reason})")
        print(f"  measured {verdict.value:.3f} [{verdict.interval[0]:.3f}, {verdict.interval[1]:.3f}], n = {verdict.n}")
        print(f"  control  {verdict.control:.1e}: {verdict.control_says}")
