"""A second tiny assay, with a field that the first one lacks and without a full profile."""

from __future__ import annotations

from dataclasses import dataclass, replace

import fake_assay


@dataclass(frozen=True, kw_only=True)
class Config(fake_assay.Config):
    sides: int = 6


ASSAY = replace(fake_assay.ASSAY, name="dice", profiles={"quick": Config()}, precision="float32")
ENTRY = replace(fake_assay.ENTRY, module="fake_dice")
