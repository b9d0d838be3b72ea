"""Two host devices for every test, so that lanes are really split; double precision where a test asks for it."""

from collections.abc import Iterator

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision inside the test."""
    with jax.enable_x64(True):
        yield
