"""Stored runs of the tiny assay without running it, for the tests of what is done with many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import fake_assay
from biassay import configs
from biassay.store import Store, code_version, key


def coins(out: Path, code: str | None = None, started: str = "2026-03-01T12:00:00+00:00", **fields: Any) -> Path:
    """Writes the run of `coins` with these settings as `biassay run` would; code: None for today's."""
    config = configs.replace(fake_assay.Config(), fields)
    code = code or code_version("fake_assay")
    record = {
        "seconds": 1.5, "resumed": False, "started": started, "finished": started, "profile": "quick",
        "config": configs.canonical(config), "changed": sorted(fields), "code": code,
        "environment": {"python": "3.11", "jax": "0.10", "device": "cpu"},
    }  # fmt: skip
    heads = config.eta + 1e-3 * np.sin(np.arange(config.seed, config.seed + config.seeds))
    data = xr.Dataset(
        {"heads": ("seed", heads), "tails": ("seed", 1 - heads), "bits": ((), 64)},
        coords={"seed": np.arange(config.seed, config.seed + config.seeds)},
    )
    return Store(out / "store").write("coins", key("coins", config, code), data, record)
