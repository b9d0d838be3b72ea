"""A step size above its limit is told by the command line in one line, before any long work."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import pytest

from biassay import cli
from biassay.assays import label_noise
from biassay.assays.label_noise.limits import rounded_down

SMALL = {
    "escape_runs": "2", "sensing_d": "6", "sensing_measurements": "10", "sensing_batch": "5", "sensing_lr": "1e-3",
    "sensing_sets": "1", "curve_pairs": "2", "point_starts": "2", "sparse_sets": "1",
}  # fmt: skip

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part that begins fails the test: only the checks may run."""

    def begun(config: label_noise.Config) -> None:
        raise AssertionError("a part has begun")

    monkeypatch.setattr(label_noise, "PARTS", ((begun, begun),))
    monkeypatch.setattr(cli, "_keep_compiled_programs", lambda: None)
    monkeypatch.chdir(tmp_path)


def run(**changed: str) -> int:
    settings = [word for item in (SMALL | changed).items() for word in ("--set", "=".join(item))]
    return cli.main(["run", "label-noise", "--quiet", *settings])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("curve_lr", "0.5"),
        ("escape_lr", "1.0,0.5"),
        ("point_lr", "0.5"),
        ("sparse_lr", "5.0"),
        ("sensing_lr", "1.0"),
        ("sensing_large_lr", "1.0"),
    ],
)
def test_a_step_size_above_its_limit_exits_with_two(field: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    changed = {field: value}
    if field == "point_lr":
        changed["point_steps"] = "2048"
    if field == "sensing_large_lr":
        changed |= {
            "sensing_large": "true", "sensing_large_d": "8", "sensing_large_measurements": "10",
            "sensing_large_batch": "5",
        }  # fmt: skip
    assert run(**changed) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"biassay: {field} must be (below|at most) \S+, .*\n", err)
    told = float(re.findall(r"(?:below|at most) ([\d.e-]+),", err)[0])
    assert 0 < told < float(value.split(",")[0])


def test_the_default_step_sizes_pass() -> None:
    with pytest.raises(AssertionError, match="a part has begun"):
        run()


@pytest.mark.nightly
@pytest.mark.parametrize("profile", label_noise.ASSAY.profiles)
def test_every_profile_passes_its_own_checks(profile: str) -> None:
    with jax.enable_x64(True):
        label_noise.check_step_sizes(label_noise.ASSAY.profiles[profile])


@pytest.mark.parametrize(
    ("limit", "words"),
    [(3.4567e-6, "3.45e-06"), (0.0123987, "0.0123"), (0.99999, "0.999"), (1.0, "1"), (12345.0, "12300")],
)
def test_a_limit_is_rounded_down(limit: float, words: str) -> None:
    assert rounded_down(limit) == words
    assert 0 < float(words) <= limit
