"""Two host devices for every test, so that lanes are really split; double precision where a test asks for it."""

import os
from collections.abc import Iterator

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)


def pytest_configure(config: pytest.Config) -> None:
    """Compiles with fewer optimisations: most of the time of these tests is compilation, of programs that run for
    milliseconds. The nightly tests, and any run with XLA_FLAGS, compile as users do."""
    if "not nightly" in config.getoption("markexpr"):
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision inside the test."""
    with jax.enable_x64(True):
        yield
