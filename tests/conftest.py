"""Two host devices for every test, so that lanes are really split; double precision where a test asks for it."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)


def pytest_configure(config: pytest.Config) -> None:
    """Compiles with fewer optimisations: most of the time of these tests is compilation, of programs that run for
    milliseconds. The nightly tests, and any run with XLA_FLAGS, compile as users do."""
    if "not nightly" in config.getoption("markexpr"):
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")


_MANY_MAPPINGS = 30_000
"""Linux gives a process 65,530 pieces of memory, and XLA takes several for every compiled program: without more of them
it crashes."""


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Forgets the compiled programs of the modules before, once there are many."""
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_bytes().count(b"\n") > _MANY_MAPPINGS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision inside the test."""
    with jax.enable_x64(True):
        yield
