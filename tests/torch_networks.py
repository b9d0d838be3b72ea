"""The deep classifiers in PyTorch, written for the tests alone, and their training compared with ours.

Modules are declared in the order in which the input meets them, shortcuts last in their block: the order of our
parameters. What a mistake would look like can be asked for: another momentum of batch normalisation, a running variance
that is biased, a stride left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from biassay.models.conv_norm import fold, weights_in_order
from biassay.models.conv_norm import unfolded as unfolded_maps
from biassay.problem import cross_entropy

LR, MOMENTUM, DECAY, STEPS = 0.05, 0.9, 5e-3, 2
PLAIN = {"xla_backend_optimization_level": 0}
"""Compiles in half the time. What XLA computes twice it rounds differently here: a gradient which depends on
the equality of two such numbers, as that of `jnp.max` does, comes out far off."""


def unit(c: int, k: int, side: int, stride: int = 1, bias: bool = False, momentum: float = 0.1) -> nn.Sequential:
    conv = nn.Conv2d(c, k, side, stride, padding=side // 2, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(k, momentum=momentum))


class VGG(nn.Module):
    def __init__(self, plan: list[list[int]], classes: int, momentum: float = 0.1) -> None:
        super().__init__()
        c, layers = 3, []
        for group in plan:
            for k in group:
                layers += [unit(c, k, 3, bias=True, momentum=momentum), nn.ReLU()]
                c = k
            layers.append(nn.MaxPool2d(2))
        self.features, self.head = nn.Sequential(*layers), nn.Linear(c, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, sizes: list[int], sides: list[int], stride: int, momentum: float) -> None:
        super().__init__()
        self.units = nn.ModuleList()
        strided = sides.index(3)
        for i, (side, (c, k)) in enumerate(zip(sides, pairwise(sizes), strict=True)):
            self.units.append(unit(c, k, side, stride if i == strided else 1, momentum=momentum))
        same = stride == 1 and sizes[0] == sizes[-1]
        self.shortcut = nn.Identity() if same else unit(sizes[0], sizes[-1], 1, stride, momentum=momentum)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for i, layer in enumerate(self.units):
            y = layer(functional.relu(y) if i else y)
        return functional.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(
        self,
        blocks: tuple[int, ...],
        bottleneck: bool,
        widths: list[int],
        classes: int,
        imagenet: bool = False,
        momentum: float = 0.1,
        last_stride: int = 2,
    ) -> None:
        super().__init__()
        c = widths[0]
        stem = [unit(3, c, 7, 2, momentum=momentum) if imagenet else unit(3, c, 3, momentum=momentum), nn.ReLU()]
        self.stem = nn.Sequential(*stem, *([nn.MaxPool2d(3, 2, padding=1)] if imagenet else []))
        body = []
        for k, count, stride in zip(widths, blocks, (1, 2, 2, last_stride), strict=True):
            for i in range(count):
                sizes = [c, k, k, 4 * k] if bottleneck else [c, k, k]
                block = Residual(sizes, [1, 3, 1] if bottleneck else [3, 3], stride if i == 0 else 1, momentum)
                body.append(block)
                c = sizes[-1]
        self.body, self.head = nn.Sequential(*body), nn.Linear(c, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Dense(nn.Module):
    def __init__(self, c: int, growth: int, momentum: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c, momentum=momentum)
        self.squeeze = unit(c, 4 * growth, 1, momentum=momentum)
        self.conv = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(functional.relu(self.squeeze(functional.relu(self.norm(x)))))], 1)


class DenseNet(nn.Module):
    def __init__(self, layers: int, growth: int, classes: int, momentum: float = 0.1, pool: int = 2) -> None:
        super().__init__()
        c = 2 * growth
        parts: list[nn.Module] = [nn.Conv2d(3, c, 3, padding=1, bias=False)]
        for block in range(3):
            for _ in range(layers):
                parts.append(Dense(c, growth, momentum))
                c += growth
            parts += [nn.BatchNorm2d(c, momentum=momentum), nn.ReLU()]
            if block < 2:
                parts += [nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2, stride=pool)]
                c //= 2
        self.features, self.head = nn.Sequential(*parts), nn.Linear(c, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


class PreActivation(nn.Module):
    def __init__(self, c: int, k: int, stride: int, momentum: float, early: bool) -> None:
        super().__init__()
        self.early = early
        self.norm = nn.BatchNorm2d(c, momentum=momentum)
        self.first = unit(c, k, 3, stride, momentum=momentum)
        self.second = nn.Conv2d(k, k, 3, padding=1, bias=False)
        same = stride == 1 and c == k
        self.shortcut = None if same else nn.Conv2d(c, k, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.norm(x))
        y = self.second(functional.relu(self.first(h)))
        return y + (x if self.shortcut is None else self.shortcut(x if self.early else h))


class WideResNet(nn.Module):
    """early: the slip of a shortcut that branches off before the normalisation."""

    def __init__(
        self,
        n: int,
        widths: list[int],
        classes: int,
        momentum: float = 0.1,
        last_stride: int = 2,
        early: bool = False,
    ) -> None:
        super().__init__()
        c = 16
        parts: list[nn.Module] = [nn.Conv2d(3, c, 3, padding=1, bias=False)]
        for k, stride in zip(widths, (1, 2, last_stride), strict=True):
            for i in range(n):
                parts.append(PreActivation(c, k, stride if i == 0 else 1, momentum, early))
                c = k
        self.body = nn.Sequential(*parts, nn.BatchNorm2d(c, momentum=momentum), nn.ReLU())
        self.head = nn.Linear(c, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean((2, 3)))


def count(network: Callable[[], nn.Module]) -> int:
    """How many parameters a network has; none is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in network().parameters())


class Outcome(NamedTuple):
    """After steps of SGD on one batch: the logits of every step in training mode, all parameters, running means and
    variances in order, and the logits in evaluation mode; in our layout."""

    training: np.ndarray
    params: list[np.ndarray]
    statistics: list[np.ndarray]
    evaluation: np.ndarray


class Case(NamedTuple):
    """A network of ours at random parameters and statistics, a batch, and the outcome of training on it."""

    module: Any
    params: Any
    statistics: Any
    x: np.ndarray
    y: np.ndarray
    outcome: Outcome


def case(
    module: Any, init: Callable[..., Any], side: int, b: int = 8, dtype: Any = np.float32, steps: int = STEPS
) -> Case:
    """Trains `init`'s network by `module.train`, with SGD written out: v <- beta v + g + wd w, w <- w - lr v."""
    params, statistics = start(init, dtype)
    x, y = images(b, side, 10, dtype)
    inputs = jnp.asarray(x)

    @partial(jax.jit, compiler_options=PLAIN)
    def step(params: Any, velocity: Any, statistics: Any) -> tuple[Any, ...]:
        def risk(params: Any) -> tuple[jax.Array, Any]:
            logits, after = module.train(params, statistics, inputs, dtype=dtype)
            return cross_entropy(logits, jnp.asarray(y)).mean(), (logits, after)

        gradient, (logits, after) = jax.grad(risk, has_aux=True)(params)
        velocity = jax.tree.map(lambda v, g, w: MOMENTUM * v + g + DECAY * w, velocity, gradient, params)
        return logits, jax.tree.map(lambda w, v: w - LR * v, params, velocity), velocity, after

    moved, running, velocity, logits = params, statistics, jax.tree.map(jnp.zeros_like, params), []
    for _ in range(steps):
        out, moved, velocity, running = step(moved, velocity, running)
        logits.append(np.asarray(out))
    evaluation = evaluator(module, dtype)(moved, running, inputs)
    leaves = [list(map(np.asarray, jax.tree.leaves(tree))) for tree in (moved, running)]
    return Case(module, params, statistics, x, y, Outcome(np.stack(logits), *leaves, np.asarray(evaluation)))


@cache
def evaluator(module: Any, dtype: Any) -> Callable[..., jax.Array]:
    """`module.predict`, compiled once for all tests."""
    return jax.jit(partial(module.predict, dtype=dtype), compiler_options=PLAIN)


def start(init: Callable[..., Any], dtype: Any = np.float32) -> tuple[Any, Any]:
    """Random parameters and statistics of the shapes that `init(key)` gives; no entry has its usual starting value."""
    rng = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if leaf.ndim > 1:
            return jnp.asarray(rng.normal(size=leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5, dtype)
        return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), dtype)

    return jax.tree.map(draw, jax.eval_shape(init, jax.random.key(0)))


def images(b: int, side: int, classes: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Noise (b, side, side, 3) and labels (b,)."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(b, side, side, 3)).astype(dtype), rng.integers(0, classes, b)


def theirs(network: nn.Module, case: Case, biased: bool = False) -> Outcome:
    """The same steps by PyTorch from the same parameters and statistics. biased: what a slip would remember."""
    with one_thread():
        network = network.to(torch.float64 if case.x.dtype == np.float64 else torch.float32)
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        running = [part for norm in norms for part in (norm.running_mean, norm.running_var)]
        with torch.no_grad():
            for mine, leaf in zip(network.parameters(), jax.tree.leaves(case.params), strict=True):
                mine.copy_(torch.from_numpy(_theirs(np.array(leaf))))
            for mine, leaf in zip(running, jax.tree.leaves(case.statistics), strict=True):
                mine.copy_(torch.from_numpy(np.array(leaf)))
        for norm in norms if biased else ():
            norm.register_forward_hook(_forget_the_bias)
        inputs, labels = torch.from_numpy(case.x.transpose(0, 3, 1, 2).copy()), torch.from_numpy(case.y)
        sgd = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, weight_decay=DECAY)
        network.train()
        logits = []
        for _ in case.outcome.training:
            out = network(inputs)
            sgd.zero_grad()
            functional.cross_entropy(out, labels).backward()
            sgd.step()
            logits.append(out.detach().numpy())
        network.eval()
        with torch.no_grad():
            evaluation = network(inputs).numpy()
    moved = [_ours(p.detach().numpy()) for p in network.parameters()]
    return Outcome(np.array(logits), moved, [part.numpy() for part in running], evaluation)


@contextmanager
def one_thread() -> Iterator[None]:
    """At these sizes threads that wait for one another cost PyTorch many times its work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _forget_the_bias(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
    """Turns the update of the running variance into that by the biased variance."""
    if norm.training:
        (x,) = inputs
        n = x.numel() // x.shape[1]
        norm.running_var.data -= norm.momentum * x.detach().var((0, 2, 3), unbiased=True) / n


def differences(a: Outcome, b: Outcome) -> dict[str, float]:
    """The largest difference of each part, relative to its largest entry where that is above 1."""

    def between(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.abs(p - q).max() / max(1, np.abs(p).max()))

    return {
        "training": between(a.training, b.training),
        "params": max(map(between, a.params, b.params)),
        "statistics": max(map(between, a.statistics, b.statistics)),
        "evaluation": between(a.evaluation, b.evaluation),
    }


def check_agreement(case: Case, network: nn.Module, tolerance: float = 1e-5) -> None:
    """Training and evaluation equal PyTorch's, and the steps were long enough for a wrong gradient to be seen."""
    found = differences(case.outcome, theirs(network, case))
    assert max(found.values()) < tolerance, found
    moved = zip(case.outcome.params, jax.tree.leaves(case.params), strict=True)
    assert max(float(np.abs(after - before).max()) for after, before in moved) > 1e-2


def check_slips_are_seen(case: Case, networks: dict[str, Callable[[], nn.Module]]) -> None:
    """A network in which something is wrong differs in the part that it is named after, far above the tolerance."""
    for part, network in networks.items():
        assert differences(case.outcome, theirs(network(), case))[part] > 1e-3, part


def check_precision(case: Case) -> None:
    """bfloat16: logits within a few per cent, convolutions in bfloat16, everything that is kept in float32."""
    params, statistics, x = case.params, case.statistics, jnp.asarray(case.x)
    exact = np.asarray(evaluator(case.module, np.float32)(params, statistics, x))
    rough = np.asarray(evaluator(case.module, jnp.bfloat16)(params, statistics, x))
    error = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    # A rounding errs by up to 2^-9 of a number; about three a layer add up like a random walk.
    assert 2**-10 < error < 0.05, error

    def risk(params: Any) -> tuple[jax.Array, Any]:
        logits, after = case.module.train(params, statistics, x, dtype=jnp.bfloat16)
        return cross_entropy(logits, jnp.asarray(case.y)).mean(), (logits, after)

    program, kept = jax.make_jaxpr(jax.grad(risk, has_aux=True), return_shape=True)(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {np.dtype(np.float32)}
    convolutions = [e for e in program.jaxpr.eqns if e.primitive.name == "conv_general_dilated"]
    assert len(convolutions) > 2 * sum(leaf.ndim == 4 for leaf in jax.tree.leaves(params))
    assert {operand.aval.dtype for e in convolutions for operand in e.invars} == {jnp.dtype(jnp.bfloat16)}


def check_fold(case: Case, weights: int, unfolded: int) -> None:
    """The folded network computes the same, folding again changes nothing; how many weights and batch norms it has."""
    predict = evaluator(case.module, np.float32)
    folded = jax.jit(fold)(case.params, case.statistics)
    again = jax.jit(fold)(*folded)
    logits = np.asarray(predict(case.params, case.statistics, case.x))
    np.testing.assert_allclose(predict(*folded, case.x), logits, atol=1e-5 * np.abs(logits).max())
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), again, folded)
    half = predict(folded[0], case.statistics, case.x)
    assert np.abs(half - logits).max() > 0.1 * np.abs(logits).max(), "statistics that are used twice would be seen"
    found = weights_in_order(case.params, case.statistics)
    assert len(found) == weights
    kernels = [leaf for leaf in jax.tree.leaves(case.params) if leaf.ndim > 1]
    assert [w.shape for w in found] == [w.shape for w in kernels]
    assert len(unfolded_maps(case.params, case.statistics)) == unfolded


def _theirs(leaf: np.ndarray) -> np.ndarray:
    """(side, side, c, k) -> (k, c, side, side), (in, out) -> (out, in)."""
    return np.ascontiguousarray(leaf.transpose(3, 2, 0, 1) if leaf.ndim == 4 else leaf.T)


def _ours(leaf: np.ndarray) -> np.ndarray:
    """The way back."""
    return leaf.transpose(2, 3, 1, 0) if leaf.ndim == 4 else leaf.T
