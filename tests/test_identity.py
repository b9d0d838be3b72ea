"""Different things have different fingerprints; equal things have equal ones, in every process."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import biassay as ba
from biassay._identity import fingerprint


def closure(constant):
    return lambda x: x * constant


class Counter:
    def __init__(self, left):
        self.left = left


def circle(size):
    made = [size]
    made.append(made)
    return made


long = np.arange(5000.0)
changed = np.where(long == 2500, 0.1, long)
DIFFERENT = [
    (1, 1.0, "1", b"1", True, None),
    ((100, [11, 23], 0), (1001, [1, 23], 0), (100, (11, 23), 0)),
    (closure(1.0), closure(2.0)),
    (partial(np.add, long), partial(np.add, changed)),
    (long, changed, long.astype(np.float32), long.reshape(50, 100), jnp.asarray(long[:3], jnp.bfloat16)),
    (ba.Optax(optax.adam(1e-3)), ba.Optax(optax.adam(1e-1)), ba.Optax(optax.sgd(1e-3))),
    (ba.SGD(0.1, 2), ba.SGD(0.1, 3), ba.SGD(0.1, 2, "independent"), ba.SGD(0.2, 2)),
    (Counter(1), Counter(2)),
    (jax.jit(closure(1.0)), jax.jit(closure(2.0))),
    ({"a": 1}, {"b": 1}, {"a": 2}, {}),
    ({1, 2}, {1, 3}, frozenset({1, 2, 3})),
    (Counter(1).__init__, Counter(2).__init__),
    (np.sin, np.cos, int, float),
    (circle(1), circle(2)),
    (jax.random.key(0), jax.random.key(1)),
    (lambda x=1: x, lambda x=2: x),
]


@pytest.mark.parametrize("things", DIFFERENT)
def test_different_things_have_different_fingerprints(things):
    assert len({fingerprint(thing) for thing in things}) == len(things)


def test_equal_things_have_equal_fingerprints():
    for make in (lambda: closure(1.0), lambda: ba.Optax(optax.adam(1e-3)), lambda: Counter(3), lambda: circle(1)):
        assert fingerprint(make()) == fingerprint(make())
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"b": 2, "a": 1})  # the order of a mapping may decide a run


def test_every_process_agrees():
    """Names in a set come in another order in every process."""
    asked = (
        "import jax.numpy as jnp, optax, biassay as ba; from biassay._identity import fingerprint;"
        "print(fingerprint(({'one', 'two', 'three'}, optax.adam(1e-3), ba.SGD(0.1), jnp.ones(3))))"
    )
    told = {
        subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(told) == 1
