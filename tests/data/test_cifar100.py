"""CIFAR-100: the fine labels of both versions, and the same refusals as for CIFAR-10."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from biassay.data import cifar10, cifar100
from biassay.errors import UserError

RNG = np.random.default_rng(0)
FINE = {"train": np.array([99, 0, 57, 3, 20]), "test": np.array([41, 98])}
PIXELS = {name: RNG.integers(0, 256, (len(fine), 3072), np.uint8) for name, fine in FINE.items()}


def _batch(name: str, binary: bool, fine: np.ndarray | None = None) -> bytes:
    fine = FINE[name] if fine is None else fine
    coarse = fine // 5  # some other number, at most 19
    if binary:
        return np.hstack([coarse[:, None], fine[:, None], PIXELS[name]]).astype(np.uint8).tobytes()
    batch = {b"data": PIXELS[name], b"fine_labels": fine.tolist(), b"coarse_labels": coarse.tolist()}
    return pickle.dumps({b"filenames": [b"a.png"] * len(fine), b"batch_label": b"training", **batch}, protocol=2)


def _write(folder: Path, binary: bool, archive: bool, **contents: bytes) -> Path:
    version, ending = ("binary", ".bin") if binary else ("python", "")
    files = {f"{name}{ending}": contents.get(name, _batch(name, binary)) for name in FINE}
    if not archive:
        inner = folder / f"cifar-100-{version}"
        inner.mkdir()
        for name, content in files.items():
            (inner / name).write_bytes(content)
        return inner
    path = folder / f"cifar-100-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-100-{version}/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("binary", [True, False])
def test_both_versions_have_the_fine_labels(tmp_path, binary, archive):
    _write(tmp_path, binary, archive)
    images = cifar100.load(tmp_path)
    np.testing.assert_array_equal(images.y, FINE["train"])
    np.testing.assert_array_equal(images.test_y, FINE["test"])
    assert not np.array_equal(images.y, FINE["train"] // 5), "the coarse labels would be seen"
    # Row 2, column 5 of the image is entry 2 * 32 + 5 of each colour's 1024.
    np.testing.assert_array_equal(images.x[:, 2, 5, :], PIXELS["train"].reshape(-1, 3, 1024)[:, :, 2 * 32 + 5])
    assert images.test_x.shape == (2, 32, 32, 3)


@pytest.mark.parametrize("binary", [True, False])
def test_a_label_beyond_the_classes_is_refused(tmp_path, binary):
    _write(tmp_path, binary, False, train=_batch("train", binary, np.array([1, 2, 3, 4, 100])))
    with pytest.raises(UserError, match=r"is not a batch of CIFAR-100: a label is not one of 0\.\.99"):
        cifar100.load(tmp_path)


def test_a_name_that_is_not_needed_is_refused(tmp_path):
    _write(tmp_path, False, True, test=b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"a batch of CIFAR-100 asks for 'os\.system'"):
        cifar100.load(tmp_path)


def test_the_size_of_the_real_batch_is_within_the_limits(tmp_path):
    """50 000 images, their file names and both labels: 155 million bytes, and many instructions."""
    pickled = pickle.dumps(
        {
            b"filenames": [f"bos_taurus_s_{k:06d}.png" for k in range(50_000)],
            b"fine_labels": (np.arange(50_000) % 100).tolist(),
            b"coarse_labels": [7] * 50_000,
            b"data": PIXELS["train"],
        },
        protocol=2,
    )
    inner = _write(tmp_path, False, False, train=pickled)
    with pytest.raises(UserError, match=r"data of shape \(5, 3072\) for 50000 labels"):
        cifar100.read(inner)
    assert cifar100._FORM.limits.largest > 155_249_918


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, keep):
    path = _write(tmp_path, True, True)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(UserError, match=r"cannot be read|no batch"):
        cifar100.load(tmp_path)


def test_one_data_set_is_not_taken_for_the_other(tmp_path):
    inner = _write(tmp_path, False, False)
    with pytest.raises(UserError, match=r"holds no CIFAR-10: there must be one of cifar-10-batches-py"):
        cifar10.load(tmp_path)
    with pytest.raises(UserError, match="data_batch_1 cannot be read"):
        cifar10.read(inner)
    with pytest.raises(UserError, match="holds no CIFAR-100"):
        cifar100.load(inner)


@pytest.mark.parametrize("prefix", ["../../", "/tmp/biassay-escaped/", "a/../../"])
def test_names_that_reach_outside_write_nothing(tmp_path, prefix):
    """Members are known by their last names and only read; a link and a device are no members."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    with tarfile.open(inner / "cifar-100-python.tar.gz", "w:gz") as archive:
        for name, kind in (("train", tarfile.SYMTYPE), ("test", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(prefix + name)
            member.type, member.linkname = kind, "/dev/zero"
            archive.addfile(member)
        for name in FINE:
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content := _batch(name, binary=False))
            archive.addfile(member, io.BytesIO(content))
    before = sorted(tmp_path.rglob("*"))
    np.testing.assert_array_equal(cifar100.load(inner).y, FINE["train"])
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/biassay-escaped").exists()
