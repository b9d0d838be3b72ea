"""Runs `adversarial-init` and shows how far it is, for a test that kills it: FOLDER SETTINGS LABEL whole|start|images.

"start" is the assay on digits up to the repair: pre-training on the confusion set and on its true labels, then S2; the
data are all their parameters. "images" is the deep classifiers alone.
"""

import dataclasses
import functools
import json
import sys
import time
from typing import Any

import jax
import numpy as np
import xarray as xr

import biassay
from biassay import simulation
from biassay.assays import adversarial_init
from biassay.assays.adversarial_init import on_digits, on_images

ASSAY = adversarial_init.ASSAY


class Enough(Exception):  # noqa: N818 (no error)
    """What was asked for, `data`, is there."""

    def __init__(self, data: xr.Dataset) -> None:
        self.data = data


def start_only(study: on_digits.Study, sets: Any) -> None:
    """In the place of all the MLP's set-ups."""
    bad, good = on_digits.fitted_starts(study, sets)
    repaired = study.vanilla(simulation.PerSeed(bad.params), "S2")
    seeds = np.arange(study.settings.seed, study.settings.seed + study.settings.seeds)
    data = xr.Dataset(coords={"seed": seeds})
    for name, end in {"bad": bad, "good": good, "repaired": repaired}.items():
        for i, leaf in enumerate(jax.tree.leaves(end.params)):
            data[f"{name}_{i}"] = ("seed", f"entry_{i}"), np.asarray(leaf).reshape(len(seeds), -1)
    raise Enough(data)


def run_start(config: Any) -> xr.Dataset:
    """The assay until it raises `Enough`."""
    on_digits.every_run = start_only
    try:
        return ASSAY.run(config)
    except Enough as enough:
        return enough.data


def main(folder: str, settings: str, label: str, part: str) -> None:
    """One run, with a checkpoint after every chunk; a simulation with this label is slowed down."""
    simulation.checkpoints_in = functools.partial(simulation.checkpoints_in, every=0)

    def progress(done: int, steps: int, name: str) -> None:
        print(json.dumps([done, steps, name]), flush=True)
        time.sleep(0.05 if name.endswith(label) else 0)

    if part != "whole":
        parts = {"start": run_start, "images": on_images.images_study}
        adversarial_init.ASSAY = dataclasses.replace(ASSAY, run=parts[part], claims=())
    result = biassay.run("adversarial-init", out=folder, progress=progress, **json.loads(settings))
    print(json.dumps(str(result.path)))


if __name__ == "__main__":
    main(*sys.argv[1:])
