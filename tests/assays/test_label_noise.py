"""The assay label-noise as a whole: its parts side by side in one dataset, one list of claims, one page."""

from __future__ import annotations

import re

import numpy as np
import pytest

import small
from biassay.assays.label_noise import ASSAY, PARTS, Config

PREFIXES = ("drift", "escape", "sensing", "curve", "point", "sparse", "stability")

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data():
    return small.run("label-noise")


def test_every_part_has_its_own_variables_and_axes(data):
    names = [*map(str, data.data_vars), *(str(axis) for axis in data.dims if axis != "seed")]
    assert {name.split("_")[0] for name in names} == set(PREFIXES)
    assert len(PARTS) == len(PREFIXES)
    axes = [axis for _, coords in PARTS for axis in coords(small.CONFIGS["label-noise"])]
    assert len(set(axes)) == len(axes)


def test_the_data_say_what_they_are(data):
    for name, variable in data.data_vars.items():
        assert variable.attrs["long_name"], name
        prefix = str(name).split("_")[0]
        assert all(str(axis).split("_")[0] == prefix or axis == "seed" for axis in variable.dims), name


def test_every_part_is_claimed_drawn_and_written_about(data):
    """The names of the claims, in the order of the parts, and a figure of each part."""
    order = ("drift", "escape", "sensing", "relu", "tanh", "logistic", "one", "vv", "probe")
    begin = list(dict.fromkeys(claim.name.split("-")[0] for claim in ASSAY.claims))
    assert begin == list(order)
    assert len(ASSAY.figures(data)) >= len(PREFIXES)
    assert len(re.findall(r"^## ", ASSAY.mathematics, re.M)) == len(PREFIXES) + 3


def test_what_was_not_found_is_said_and_nothing_is_put_into_the_papers_mouth():
    assert "Not found: the paper's learning rates" in ASSAY.mathematics
    assert not re.search(r"the paper (used|uses|took|takes)", ASSAY.mathematics)


def test_all_profiles_can_be_made_and_a_negative_seed_cannot():
    assert ASSAY.profiles["full"].sparse_steps > ASSAY.profiles["quick"].sparse_steps
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        Config(seed=-1)


def test_nothing_diverged_but_what_is_counted(data):
    """Label noise at the step sizes of the assay stays finite everywhere; only SGD noise may blow up."""
    for name in ("sensing_test", "curve_length", "sparse_solution", "stability_ratio"):
        values = data[name]
        if "sparse_arm" in values.dims:
            values = values.drop_sel(sparse_arm="SGD noise")
        assert np.isfinite(values).all(), name
