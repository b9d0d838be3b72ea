"""The shapes in the annotations are true: every dynamics, probe and assay runs with each of them checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CHECKED = ("problem", "dynamics", "probes", "references", "models", "data", "assays", "_lanes", "simulation")
HOOK = ",".join([*(f"biassay.{name}" for name in CHECKED), "shape_checks.checked"])


@pytest.mark.nightly
def test_what_every_member_must_pass_passes_with_its_annotations_checked() -> None:
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", f"--jaxtyping-packages={HOOK}", "test_conformance.py"]
    asked = subprocess.run(command, cwd=TESTS, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stdout[-4000:]


def test_a_wrong_shape_is_caught() -> None:
    code = (
        "from jaxtyping import install_import_hook\n"
        "with install_import_hook('biassay.models', 'shape_checks.checked'):\n"
        "    from biassay.models import linear_regression\n"
        "import jax.numpy as jnp\n"
        "linear_regression.linear(jnp.ones(3), jnp.ones((2, 3)))\n"
        "try: linear_regression.linear(jnp.ones(3), jnp.ones((2, 4)))\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    asked = subprocess.run([sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "TypeCheckError"
