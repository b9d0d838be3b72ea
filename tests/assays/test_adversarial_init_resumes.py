"""Pre-training that is killed goes on from its last checkpoint, and the run ends with the same bits.

The assay runs through `biassay.run`, in processes of its own: one is killed by SIGKILL during pre-training, another is
asked for the same run, a third is never interrupted.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from biassay.store import open_run
from tiny_cifar import batches, write_archive

DIGITS = {
    "seed": 10_000,
    "seeds": 2,
    "train": 20,
    "test": 50,
    "width": 16,
    "batch": 5,
    "replication": 4,
    "pretrain_epochs": 1500,
    "epochs": 2,
    "max_epochs": 2,
    "check_epochs": 2,
    "cnn_seeds": 1,
    "cnn_channels": [2, 2, 2],
    "cnn_replication": 1,
    "cnn_epochs": 2,
    "cnn_check_epochs": 2,
    "toy_points": 10,
    "toy_width": 4,
    "toy_pretrain_epochs": 2,
    "toy_epochs": 2,
}
"""24,000 steps of pre-training, and as little as can be of all that follows."""

IMAGES = {
    "image_data_sets": ["cifar-10"],
    "image_networks": ["resnet18"],
    "image_seeds": 2,
    "image_width": 1 / 16,
    "image_train": 16,
    "image_test": 8,
    "image_batch": 8,
    "image_replication": 2,
    "image_fraction": 0.3,
    "image_replications": [],
    "image_fractions": [],
    "image_fit": 1.0,
    "image_measured": 0,
    "image_epochs": 8,
    "image_check_epochs": 1,
    "image_drops": [4],
}

PHASE = "pre-training on random labels"
SCRIPT = Path(__file__).with_name("killed_run.py")


@dataclass
class Process:
    """A run in a process of its own. folder: of its results; phase: what pre-training's label ends with; part: of the
    assay, see `killed_run`."""

    folder: Path
    settings: dict[str, Any]
    phase: str
    part: str

    def __post_init__(self):
        # The later processes need not compile what the first has compiled.
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": str(self.folder.parent / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        arguments = [sys.executable, str(SCRIPT), str(self.folder), json.dumps(self.settings), self.phase, self.part]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.lines = self.process.stdout

    def killed_in_pre_training(self):
        """SIGKILL at the third look of pre-training: the first two have left checkpoints. Returns the steps done at the
        second."""
        looks: list[int] = []
        for line in self.lines:
            done, steps, label = json.loads(line)
            looks += [done] * label.endswith(self.phase)
            if len(looks) == 3:
                assert 0 < done < steps
                break
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        self.lines.close()
        return looks[1]

    def finished(self):
        """The stored run, and every (steps done, label) that its progress showed."""
        *shown, path = map(json.loads, self.lines)
        assert self.process.wait() == 0
        self.lines.close()
        return open_run(Path(path)), [(done, label) for done, _, label in shown]


def assert_resumes(tmp_path, settings, phase, part="whole"):
    uninterrupted, _ = Process(tmp_path / "whole", settings, phase, part).finished()
    done = Process(tmp_path / "killed", settings, phase, part).killed_in_pre_training()
    (checkpoints,) = (tmp_path / "killed" / "store" / "checkpoints").iterdir()
    assert list(checkpoints.glob("*.npz"))
    assert not list((tmp_path / "killed").rglob("*.nc"))

    resumed, shown = Process(tmp_path / "killed", settings, phase, part).finished()
    first, label = shown[0]
    assert label.endswith(phase), "what came before pre-training is not computed again"
    assert first > done, "it goes on where a checkpoint was"
    assert resumed.record["resumed"]
    assert not uninterrupted.record["resumed"]
    xr.testing.assert_identical(resumed.data, uninterrupted.data)
    assert not checkpoints.exists()
    return uninterrupted.data


def test_pre_training_on_digits_goes_on_after_a_kill(tmp_path):
    """The parameters after pre-training and after the repair that follows."""
    data = assert_resumes(tmp_path, DIGITS, PHASE, "start")
    assert {name.partition("_")[0] for name in map(str, data.data_vars)} == {"bad", "good", "repaired"}
    # Were the comparison blind, seeds would be equal too, and so would the stages.
    assert (data.bad_0[0] != data.bad_0[1]).any()
    assert (data.bad_0 != data.repaired_0).any()


@pytest.mark.nightly
def test_a_whole_run_on_digits_goes_on_after_a_kill(tmp_path):
    data = assert_resumes(tmp_path, DIGITS, PHASE)
    adversarial = data.sel(setup="C")
    assert (adversarial.d_init > 0.1).all()
    for name in ("d_init", "norm"):
        assert adversarial[name][0] != adversarial[name][1]


@pytest.mark.nightly
def test_pre_training_on_images_goes_on_after_a_kill(tmp_path, monkeypatch):
    write_archive(tmp_path, batches(seed=1, each=8))
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    data = assert_resumes(tmp_path, DIGITS | IMAGES, f"{PHASE}, R = 2, N = 0.3", "images")
    adversarial = data.isel(image_data=0, image_network=0).sel(image_setup="C")
    assert (adversarial.image_d_init > 0.01).all()
    for name in ("image_d_init", "image_norm"):
        assert adversarial[name][0] != adversarial[name][1]
