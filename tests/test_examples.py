"""The examples run as a reader runs them, and the exercise in their text comes out as the text says."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def output(script: Path) -> str:
    return subprocess.run([sys.executable, "-W", "error", script], check=True, capture_output=True, text=True).stdout


def test_sign_momentum_leaves_the_span() -> None:
    assert "leaves-span: holds" in output(EXAMPLES / "add_your_own.py")


@pytest.mark.nightly
@pytest.mark.parametrize("direction", ["v / jnp.linalg.norm(v)"])
def test_the_exercise_turns_the_verdict(direction: str, tmp_path: Path) -> None:
    source = (EXAMPLES / "add_your_own.py").read_text("utf-8")
    changed = source.replace("jnp.sign(v),", f"{direction},")
    assert changed != source
    assert f"`{direction}`" in source
    script = tmp_path / "exercise.py"
    script.write_text(changed, "utf-8")
    assert "leaves-span: fails" in output(script)


def test_gradient_descent_keeps_the_part_of_the_start_that_the_data_do_not_see() -> None:
    result = runpy.run_path(str(EXAMPLES / "simulate.py"))["result"]
    assert not result.data.diverged.any()
    distance = result.data.distance
    start, end = distance.isel(step=0), distance.isel(step=-1)
    np.testing.assert_allclose(end.sel(lr=0.05), end.sel(lr=0.1), rtol=1e-4)
    assert ((end > 0.1) & (end < start)).all()


def test_the_memorizer_fits_and_predicts_nothing() -> None:
    told = runpy.run_path(str(EXAMPLES / "exact_answers.py"))
    np.testing.assert_allclose(told["memorizer"](told["x"]), told["y"], atol=1e-6)
    assert 0.4 < told["agreement"] < 0.6
    assert np.min(told["y"] * (told["x"] @ told["best"].w)) > 1 - 1e-9


def test_label_noise_in_ones_own_loop_lowers_the_gradient_and_keeps_the_fit() -> None:
    told = runpy.run_path(str(EXAMPLES / "your_own_loop.py"))
    assert max(told["losses"].values()) < 1e-3
    assert told["sizes"][0.7] < told["sizes"][0.0] / 2


def test_the_stability_test_tells_where_the_drift_starts_from_where_it_ends() -> None:
    told = output(EXAMPLES / "stability.py")
    assert "gradient descent: unstable" in told
    assert "end of the drift: stable" in told
    assert "outer layer alone: stable under label noise: |P_N grad reg| / |grad reg| = 0 " in told


def test_weight_normalization_finds_the_sparse_vector() -> None:
    errors = runpy.run_path(str(EXAMPLES / "weight_normalization.py"))["errors"]
    assert errors["weight normalization"] < 1e-2 < 0.1 < errors["plain"]


@pytest.mark.nightly
def test_a_sparse_network_is_nearly_as_good_as_a_dense_one() -> None:
    told = runpy.run_path(str(EXAMPLES / "sparse_training.py"))
    assert told["zeros"]["dense"] == 0
    assert told["zeros"]["sparse"] > 0.8
    assert told["accuracy"]["sparse"] > told["accuracy"]["dense"] - 0.06
    assert not any((leaf == 0).any() for leaf in jax.tree.leaves(told["weights"]) if leaf.ndim == 2)


@pytest.mark.nightly
def test_a_neuron_with_parameters_to_spare_stays_within_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runpy.run_path(str(EXAMPLES / "sweep.py"))["result"]
    assert not result.failures
    assert set(result.verdicts.outcome.sel(claim="norm-at-most-twice").values) == {"holds"}
    assert len(list((tmp_path / "biassay-out" / "store").glob("relu-neuron-*.nc"))) == 3
