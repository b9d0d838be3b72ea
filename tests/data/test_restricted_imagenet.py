"""Restricted ImageNet from a tree of 1000 synset folders: labels by class ranges, pictures by number, a cache."""

import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from biassay.data import restricted_imagenet as ri
from biassay.errors import UserError

Image = pytest.importorskip("PIL.Image")

SYNSETS = [f"n{k:08d}" for k in np.random.default_rng(0).choice(10**8, 1000, replace=False)]
CLASS = {name: k for k, name in enumerate(sorted(SYNSETS))}
SHOWN = {151: 0, 268: 0, 283: 1, 30: 2, 33: 3, 37: 3, 100: 4, 382: 5, 389: 6, 121: 7, 319: 8}
"""Classes with a picture -> the super-class, from the published ranges by hand."""
OTHERS = (29, 38, 79, 101, 117, 122, 150, 269, 280, 286, 299, 320, 364, 383, 388, 398, 0, 999)
"""Classes just outside of the ranges, which have pictures too."""


def _picture(k: int, width: int = 40, height: int = 30, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """A picture of seed k; as a PNG, which loses nothing, unless another kind is asked for."""
    pixels = np.random.default_rng(k).integers(0, 256, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train with all synsets, 29 of them with a picture; nothing writes to it."""
    root = tmp_path_factory.mktemp("imagenet")
    (root / "train").mkdir()
    for name in SYNSETS:
        (root / "train" / name).mkdir()
    for k in (*SHOWN, *OTHERS):
        (_synset(root, k) / f"{k}.JPEG").write_bytes(_picture(k))
    (root / "train" / "notes").mkdir()
    return root


def _synset(root: Path, k: int) -> Path:
    return root / "train" / sorted(SYNSETS)[k]


def _by_hand(k: int, size: int) -> np.ndarray:
    """The picture of 40x30 pixels, its shorter side scaled to 8/7 of `size`, and the middle."""
    short = size * 256 // 224
    scaled = Image.open(io.BytesIO(_picture(k))).resize((short * 40 // 30, short), Image.Resampling.BILINEAR)
    top, left = round((short - size) / 2), round((scaled.width - size) / 2)
    return np.asarray(scaled)[top : top + size, left : left + size]


def test_the_classes_are_those_of_the_published_ranges():
    """118 dogs and 18 primates, counted by hand as the others."""
    counts = [last - first + 1 for first, last in ri.RANGES.values()]
    assert dict(zip(ri.RANGES, counts, strict=True)) == {
        "dog": 118, "cat": 5, "frog": 3, "turtle": 5, "bird": 21, "primate": 18, "fish": 9, "crab": 4, "insect": 20,
    }  # fmt: skip
    assert ri.CLASSES == 9


def test_labels_and_pictures_by_number(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("BIASSAY_DATA", str(tree))
    x, y = ri.load(size=14, cache=tmp_path / "cache")
    expected = sorted(SHOWN)
    assert [file.name for file in x.files] == [f"{k}.JPEG" for k in expected]
    assert y.tolist() == [SHOWN[k] for k in expected]
    assert x.shape == (len(SHOWN), 14, 14, 3)
    images = x[[3, 0, 3]]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, [_by_hand(expected[k], 14) for k in (3, 0, 3)])
    np.testing.assert_array_equal(x[-1], _by_hand(expected[-1], 14))
    np.testing.assert_array_equal(x[1:3], x[[1, 2]])
    assert not np.array_equal(x[0], x[1])
    with pytest.raises(IndexError):
        x[len(SHOWN)]
    assert not (tmp_path / "cache").exists()


def test_the_crop_is_the_middle_of_the_scaled_picture(tmp_path):
    """Four columns of a picture twice as wide as high; at 224 the shorter side has 256 pixels."""
    pixels = np.repeat(np.repeat(np.array([[0, 80, 160, 240]], np.uint8), 8, 0), 4, 1)[:, :, None].repeat(3, 2)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    (tmp_path / "n00000000").mkdir()
    file = tmp_path / "n00000000" / "a.JPEG"
    file.write_bytes(stream.getvalue())
    (image,) = ri.Pictures([file], 224)[[0]]
    # Scaled to 512 x 256, cut from column 144: the second value until column 256, then the third.
    assert image.shape == (224, 224, 3)
    assert (image[:, :80] == 80).all()
    assert (image[:, 144:] == 160).all()
    # The picture turned: it is as high as it was wide.
    stream = io.BytesIO()
    Image.fromarray(pixels.swapaxes(0, 1)).save(stream, "PNG")
    file.write_bytes(stream.getvalue())
    np.testing.assert_array_equal(ri.Pictures([file], 224)[0], image.swapaxes(0, 1))


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGBA")])
def test_the_oddities_of_imagenet_are_read(tmp_path, kind, mode):
    """A PNG by the name of a JPEG, four printing colours, and grey."""
    file = tmp_path / "a.JPEG"
    file.write_bytes(_picture(0, kind=kind, mode=mode))
    assert ri.Pictures([file], 14)[0].shape == (14, 14, 3)


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tree, tmp_path, monkeypatch) -> ri.Pictures:
    """Eleven pictures, kept four at a time."""
    monkeypatch.setattr(ri, "_TOGETHER", 4)
    return ri.load(tree, 14, cache=tmp_path / "cache").x


def test_what_was_kept_is_mapped_and_the_same(small, tree, tmp_path, monkeypatch):
    before = small[:]
    small.keep()
    files = sorted((tmp_path / "cache").iterdir())
    assert [file.name[-10:] for file in files] == ["-00000.npy", "-00001.npy", "-00002.npy"]
    monkeypatch.setattr(ri.Pictures, "_decode", None)
    again = ri.load(tree, 14, cache=tmp_path / "cache").x
    np.testing.assert_array_equal(again[:], before)
    np.testing.assert_array_equal(again[[10, 4, 3]], before[[10, 4, 3]])
    assert isinstance(again._mapped(0), np.memmap)
    with pytest.raises(TypeError):  # of another size nothing was kept, and nothing can be decoded here
        ri.load(tree, 15, cache=tmp_path / "cache").x[0]


def test_an_interrupted_keep_leaves_whole_files_and_goes_on(small, tmp_path, monkeypatch):
    decode, decoded = ri.Pictures._decode, []

    def interrupted(self: ri.Pictures, number: int) -> np.ndarray:
        if len(decoded) == 6:
            raise KeyboardInterrupt
        decoded.append(number)
        return decode(self, number)

    before = small[:]
    monkeypatch.setattr(ri.Pictures, "_decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small.keep()
    assert [file.name[-10:] for file in (tmp_path / "cache").iterdir()] == ["-00000.npy"]
    monkeypatch.setattr(ri.Pictures, "_decode", decode)
    np.testing.assert_array_equal(small[:], before)
    decoded.clear()
    monkeypatch.setattr(ri.Pictures, "_decode", lambda self, k: decoded.append(k) or decode(self, k))
    small.keep()
    assert decoded == list(range(4, 11))
    np.testing.assert_array_equal(small[:], before)


def test_only_what_is_asked_for_is_in_memory(tree, tmp_path):
    files = ri.load(tree, 14).x.files * 2000  # 22 000 pictures: 3.3 GB
    tracemalloc.start()
    try:
        x = ri.Pictures(files, 224)
        assert x[[5, 21_000]].nbytes == 2 * 224 * 224 * 3
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000 < np.prod(x.shape) / 100


@pytest.mark.parametrize("content", ["cut", "other", "pickle", "empty"])
def test_what_is_not_what_was_kept_is_refused(small, tree, tmp_path, content, capsys):
    small.keep()
    file = sorted((tmp_path / "cache").iterdir())[1]
    if content == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif content == "other":
        np.save(file, np.zeros((3, 14, 14, 3), np.uint8))
    elif content == "pickle":
        np.save(file, np.array([Malicious()] * 4, object), allow_pickle=True)
    else:
        file.write_bytes(b"")
    with _one_line("is not what pictures were kept in: remove it"):
        small[5]
    assert small[3].shape == (14, 14, 3)
    assert "run" not in capsys.readouterr().out


def test_a_device_is_not_mapped(small, tmp_path):
    small.keep()
    file = sorted((tmp_path / "cache").iterdir())[0]
    file.unlink()
    file.symlink_to("/dev/zero")
    with _one_line("is not a file"):
        small[0]


def test_a_cache_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with _one_line("cannot be written"):
        small.keep()
    with _one_line("these pictures have no cache"):
        ri.Pictures([], 14).keep()


# --- refusals ---------------------------------------------------------------------------------------------------------


class Malicious:
    """Pickled, it asks the reader to print."""

    def __reduce__(self):
        return print, ("run",)


class _one_line:  # noqa: N801
    """Expects a `UserError` of one line that says `words`."""

    def __init__(self, words: str) -> None:
        self._raises = pytest.raises(UserError, match=words)

    def __enter__(self) -> None:
        self._error = self._raises.__enter__()

    def __exit__(self, *left) -> bool:
        caught = bool(self._raises.__exit__(*left))
        assert str(self._error.value).isprintable()
        return caught


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says that it is `width` x `height`."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(width * height // 8))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a JPEG or PNG picture"),
        (b"GIF89a" + bytes(100), "is not a JPEG or PNG picture: its bytes are of another kind"),
        (_picture(0, kind="JPEG")[:700], "cannot be decoded"),
        (_bomb(10_000, 10_000), "has too many pixels to be decoded"),
        (_bomb(20_000, 20_000)[:100], "has too many pixels to be decoded"),
        (_picture(0, width=1000, height=2), "has 1000x2 pixels: that is no picture of ImageNet"),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(tmp_path, content, words):
    file = tmp_path / "a.JPEG"
    file.write_bytes(content)
    pictures = ri.Pictures([file], 14, tmp_path / "cache")
    with _one_line(f"a.JPEG.*{words}"):
        pictures[0]
    with _one_line(words):
        pictures.keep()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_bomb_is_refused_where_pillow_was_told_not_to(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "a.JPEG").write_bytes(_bomb(10_000, 10_000))
    with _one_line("has too many pixels to be decoded"):
        ri.Pictures([tmp_path / "a.JPEG"], 14)[0]


def test_a_picture_too_large_or_a_device_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ri, "_LIMITS", ri._LIMITS._replace(largest=1000))
    (tmp_path / "a.JPEG").write_bytes(_picture(0))
    with _one_line("too large to be a picture of ImageNet"):
        ri.Pictures([tmp_path / "a.JPEG"], 14)[0]
    (tmp_path / "b.JPEG").symlink_to("/dev/zero")
    with _one_line("is not a file"):
        ri.Pictures([tmp_path / "b.JPEG"], 14)[0]


@pytest.mark.parametrize("count", [0, 999, 1001])
def test_a_tree_of_other_than_1000_synsets_is_refused(tmp_path, count):
    (tmp_path / "train").mkdir()
    for name in [*SYNSETS, "n99999999x", "n100000000"][:count]:
        (tmp_path / "train" / name).mkdir()
    if count == 1001:
        (tmp_path / "train" / "n00000001").mkdir()
    with _one_line(rf"train has {count} synset folders \(such as n01440764\): there must be all 1000"):
        ri.load(tmp_path)


def test_what_cannot_be_loaded_is_said(tree, tmp_path, monkeypatch):
    monkeypatch.delenv("BIASSAY_DATA", raising=False)
    with _one_line("needs your own copy: set BIASSAY_DATA, or --data-dir"):
        ri.load()
    with _one_line(r"holds no ImageNet: there must be val/SYNSET/\*\.JPEG"):
        ri.load(tree, part="val")
    with pytest.raises(ValueError, match="part must be train or val, got 'test'"):
        ri.load(tree, part="test")  # pyright: ignore
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        ri.load(tree, size=0)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with _one_line("reading ImageNet needs Pillow"):
        ri.load(tree)


def test_a_tree_without_pictures_is_refused(tmp_path):
    for name in SYNSETS:
        (tmp_path / "imagenet" / "val" / name).mkdir(parents=True)
    with _one_line(r"val has no pictures of the super-classes: there must be SYNSET/\*\.JPEG"):
        ri.load(tmp_path, part="val")
