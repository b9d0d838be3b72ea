"""CINIC-10 from pictures, archives and what was decoded before; what is wrong is refused and leaves nothing."""

import hashlib
import io
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from biassay.data import _download, cinic10
from biassay.errors import UserError

Image = pytest.importorskip("PIL.Image")

Tree = dict[str, bytes]


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _pixels(seed: int, shape: tuple[int, ...] = (32, 32, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _tree() -> Tree:
    """Two pictures of every class in training, one elsewhere; seeds 100 part + 10 class + picture."""
    return {
        f"{part}/{name}/{'ba'[k]}.png": _png(_pixels(100 * p + 10 * c + k))
        for p, part in enumerate(("train", "valid", "test"))
        for c, name in enumerate(cinic10.NAMES)
        for k in range(2 if part == "train" else 1)
    }


TREE = _tree()


def _write_folder(folder: Path, tree: Tree) -> None:
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _write_archive(folder: Path, tree: Tree, prefix: str = "./", *extra: tarfile.TarInfo) -> Path:
    path = folder / "CINIC-10.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"README.md": b"words", **tree}.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def _assert_are_the_images(images: cinic10.Images, part: int = 0) -> None:
    each = 2 if part == 0 else 1
    np.testing.assert_array_equal(images.y, np.repeat(np.arange(10), each))
    # By the files' names: "a.png" has seed 1, "b.png" seed 0.
    seeds = [100 * part + 10 * c + k for c in range(10) for k in reversed(range(each))]
    np.testing.assert_array_equal(images.x, np.stack([_pixels(seed) for seed in seeds]))
    np.testing.assert_array_equal(images.test_x, np.stack([_pixels(200 + 10 * c) for c in range(10)]))
    np.testing.assert_array_equal(images.test_y, np.arange(10))


@pytest.mark.parametrize("place", ["", "CINIC-10"])
def test_pictures_are_decoded_once(tmp_path, place, monkeypatch):
    _write_folder(tmp_path / place, TREE | {"train/cat/._a.png": b"of a Macintosh", "train/cat/notes.txt": b"words"})
    _assert_are_the_images(cinic10.load(tmp_path))
    assert [file.name for file in tmp_path.glob("*.npz")] == ["cinic-10.npz"]
    monkeypatch.setattr(cinic10, "_decode", None)
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    _assert_are_the_images(cinic10.load())
    _assert_are_the_images(cinic10.load(part="valid"), part=1)


@pytest.mark.parametrize("prefix", ["./", "", "CINIC-10/"])
def test_the_archive_is_read_without_extracting_it(tmp_path, prefix):
    _write_archive(tmp_path, TREE, prefix)
    _assert_are_the_images(cinic10.load(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["CINIC-10.tar.gz", "cinic-10.npz"]


def test_grey_pictures_and_palettes_become_colours(tmp_path):
    grey = _pixels(0, (32, 32))
    palette = Image.fromarray(_pixels(1)).quantize(16)
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    _write_folder(tmp_path, TREE | {"train/cat/a.png": _png(grey), "train/cat/b.png": stream.getvalue()})
    x = cinic10.load(tmp_path).x[6:8]
    np.testing.assert_array_equal(x[0], np.stack([grey] * 3, -1))
    np.testing.assert_array_equal(x[1], np.asarray(palette.convert("RGB")))


# --- refusals ---------------------------------------------------------------------------------------------------------


def _refused(folder: Path, words: str) -> None:
    """One line that says `words`, and no new file in the folder."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError, match=words) as error:
        cinic10.load(folder)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 700
    assert sorted(folder.rglob("*")) == before


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says that it is `width` x `height`."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("write", [_write_folder, _write_archive])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a PNG picture"),
        (b"no picture at all\x1b[31m", "is not a PNG picture: its bytes are of another kind"),
        (TREE["train/cat/a.png"][:1500], "cannot be decoded"),
        (TREE["train/cat/a.png"][:1000] + bytes(100) + TREE["train/cat/a.png"][1100:], "cannot be decoded"),
        (_png(_pixels(0, (32, 33, 3))), "has 33x32 pixels: those of CINIC-10 have 32x32"),
        (_bomb(32, 32), "cannot be decoded"),
        (_bomb(9_000, 9_000), "has 9000x9000 pixels"),
        (_bomb(10_000, 10_000), "has too many pixels to be decoded"),
        (_bomb(60_000, 60_000), "has too many pixels to be decoded"),
        (bytes(2**16 + 1), "too large to be a picture of CINIC-10"),
    ],
)
def test_what_is_no_picture_of_32_pixels_is_refused(tmp_path, write, content, words):
    write(tmp_path, TREE | {"train/cat/a.png": content})
    _refused(tmp_path, words)


def test_a_jpeg_by_the_name_of_a_png_is_refused(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(_pixels(0)).save(stream, "JPEG")
    _write_folder(tmp_path, TREE | {"train/cat/a.png": stream.getvalue()})
    _refused(tmp_path, "is not a PNG picture")


def _link(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (tarfile.TarInfo("../train/cat/z.png"), r"a member outside of it, \.\./train/cat/z\.png"),
        (tarfile.TarInfo("train/cat/../../../z.png"), "a member outside of it"),
        (tarfile.TarInfo("/tmp/z.png"), "a member outside of it, /tmp/z.png: do not trust this file"),
        (tarfile.TarInfo("../\x1b[31mred"), r"a member outside of it, \.\./\?\[31mred"),
        (_link("train/cat/z.png", tarfile.SYMTYPE), "z.png, which is no file: do not trust this archive"),
        (_link("train/cat/z.png", tarfile.LNKTYPE, "train/cat/a.png"), "which is no file"),
        (_link("train/cat/z.png", tarfile.CHRTYPE), "which is no file"),
        (_link("train/cat/z.png", tarfile.FIFOTYPE), "which is no file"),
    ],
)
def test_an_archive_that_reaches_outside_is_refused(tmp_path, member, words):
    _write_archive(tmp_path, TREE, "./", member)
    _refused(tmp_path, words)


@pytest.mark.parametrize("keep", [0.3, 0.999])
def test_a_truncated_archive_is_refused(tmp_path, keep):
    path = _write_archive(tmp_path, TREE)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    _refused(tmp_path, "CINIC-10.tar.gz cannot be read")


def test_an_archive_that_is_too_large_or_a_device_is_refused(tmp_path, monkeypatch):
    path = _write_archive(tmp_path, TREE)
    monkeypatch.setattr(cinic10, "_LIMITS", cinic10._LIMITS._replace(whole=50_000))
    _refused(tmp_path, "too large to be an archive of CINIC-10")
    monkeypatch.setattr(cinic10, "_LIMITS", cinic10._LIMITS._replace(whole=10**6, members=20))
    _refused(tmp_path, "too many members to be an archive of CINIC-10")
    path.unlink()
    path.symlink_to("/dev/zero")
    _refused(tmp_path, "is not a file")


def test_a_device_by_the_name_of_a_picture_is_refused(tmp_path):
    _write_folder(tmp_path, TREE)
    (tmp_path / "train/cat/a.png").unlink()
    (tmp_path / "train/cat/a.png").symlink_to("/dev/zero")
    _refused(tmp_path, "a.png is not a file")


def test_a_class_without_pictures_is_named(tmp_path):
    _write_folder(tmp_path, {name: content for name, content in TREE.items() if not name.startswith("valid/frog")})
    (tmp_path / "valid/frog").mkdir()
    _refused(tmp_path, "is not all of CINIC-10: valid has no pictures of frog")


def test_a_folder_without_the_data_and_an_unknown_part_are_refused(tmp_path):
    _refused(tmp_path, r"holds no CINIC-10: there must be CINIC-10\.tar\.gz")
    with pytest.raises(ValueError, match="part must be one of train, valid, test, got 'all'"):
        cinic10.load(tmp_path, part="all")  # pyright: ignore


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    _write_folder(tmp_path, TREE)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    _refused(tmp_path, r"reading CINIC-10 needs Pillow: pip install 'biassay\[data\]'")


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    def full(path: Path):
        raise OSError("no space left")

    _write_folder(tmp_path, TREE)
    monkeypatch.setattr(cinic10, "replaced", full)
    with pytest.warns(UserWarning, match=r"cinic-10.npz cannot be written: .* decoded again next time \(no space left"):
        _assert_are_the_images(cinic10.load(tmp_path))


# --- what was decoded -------------------------------------------------------------------------------------------------


def _npz(folder: Path, **changed: np.ndarray) -> Path:
    x, y = _pixels(0, (3, 32, 32, 3)), np.arange(3, dtype=np.int32)
    arrays = {"train_x": x, "train_y": y, "test_x": x, "test_y": y} | changed
    path = folder / "cinic-10.npz"
    np.savez(path, **arrays)  # pyright: ignore
    return path


class Malicious:
    """Pickled, it asks the reader to print."""

    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"train_x": _pixels(0, (3, 32, 31, 3))}, "train has another form"),
        ({"test_y": np.arange(4, dtype=np.int32)}, "test has another form"),
        ({"test_y": np.array([0, 1, 10], np.int32)}, "test has another form"),
        ({"train_x": np.zeros((3, 32, 32, 3))}, "an array of another kind"),
        ({"train_y": np.array([Malicious()] * 3, object)}, "an array of another kind"),
    ],
)
def test_what_is_not_what_was_decoded_is_refused(tmp_path, changed, words, capsys):
    _npz(tmp_path)
    assert cinic10.load(tmp_path).x.shape == (3, 32, 32, 3)
    _npz(tmp_path, **changed)
    _refused(tmp_path, rf"is not what CINIC-10 was decoded to: remove it \({words}\)")
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_what_was_decoded_and_is_broken_is_refused(tmp_path, content):
    (tmp_path / "cinic-10.npz").write_bytes(content)
    _refused(tmp_path, "is not what CINIC-10 was decoded to: remove it")


def test_a_small_file_gets_no_large_memory(tmp_path, monkeypatch):
    """A header that promises more than there is, and a gigabyte of zeros in a megabyte."""
    path = _npz(tmp_path)
    head = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 32, 32, 3)}
    np.lib.format.write_array_header_1_0(head, shape)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("train_x", "train_y", "test_x", "test_y"):
            archive.writestr(f"{name}.npy", head.getvalue())
    _refused(tmp_path, "is not what CINIC-10 was decoded to: remove it")
    monkeypatch.setattr(cinic10, "_LARGEST_DECODED", 10**6)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("train_x", "train_y", "test_x", "test_y"):
            archive.writestr(f"{name}.npy", bytes(300_000))
    _refused(tmp_path, "it is too large")
    path.unlink()
    path.symlink_to("/dev/zero")
    _refused(tmp_path, "is not a file")


def test_the_download_is_verified_and_decoded_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("BIASSAY_DATA", raising=False)
    asked = []

    def fetched(source: _download.Source) -> Path:
        asked.append((source.url, source.md5))
        return _write_archive(tmp_path, TREE)

    monkeypatch.setattr(cinic10, "downloaded", fetched)
    _assert_are_the_images(cinic10.load())
    assert asked == [(cinic10.URL, cinic10.MD5)]
    assert len(cinic10.MD5) == len(hashlib.md5().hexdigest())
    assert (tmp_path / "cinic-10.npz").exists()
