"""CIFAR-10 from disk and from the cache: the two formats, written small; what is refused; what a download says."""

import gzip
import io
import os
import pickle
import struct
import sys
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from biassay.data import _cifar, _files, cifar10
from biassay.errors import UserError
from tiny_cifar import batches, old_numpy_pickle, write_archive, write_folder

IMAGES = batches(seed=0, each=4)


def _assert_are_the_images(images: cifar10.Images) -> None:
    x, y = IMAGES["data_batch_3"]
    np.testing.assert_array_equal(images.y[8:12], y)
    np.testing.assert_array_equal(images.y[-4:], IMAGES["data_batch_5"][1])
    # Row 2, column 5 of the image is entry 2 * 32 + 5 of each colour's 1024.
    np.testing.assert_array_equal(images.x[8:12, 2, 5, :], x.reshape(4, 3, 1024)[:, :, 2 * 32 + 5])
    np.testing.assert_array_equal(images.test_x[0, :, :, 1].ravel(), IMAGES["test_batch"][0][0, 1024:2048])
    np.testing.assert_array_equal(images.test_y, IMAGES["test_batch"][1])
    assert images.x.shape == (20, 32, 32, 3)
    assert images.x.dtype == np.uint8
    assert images.test_x.shape == (4, 32, 32, 3)


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize("kind", ["old numpy", "new numpy", "binary"])
def test_both_versions_are_read_from_archives_and_folders(tmp_path, write, kind):
    write(tmp_path, IMAGES, kind)
    _assert_are_the_images(cifar10.load(tmp_path))


def test_the_folder_of_the_environment_is_used(tmp_path, monkeypatch):
    write_archive(tmp_path, IMAGES)
    monkeypatch.setenv("BIASSAY_DATA", str(tmp_path))
    _assert_are_the_images(cifar10.load())


def test_the_old_pickle_is_what_the_real_archive_holds():
    """Protocol 2, NumPy's old module name, keys and pixels as strings of Python 2; NumPy itself reads it too."""
    content = old_numpy_pickle(*IMAGES["test_batch"])
    assert content.startswith(b"\x80\x02")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in content
    assert b"_codecs" not in content
    loaded = pickle.loads(content, encoding="bytes")
    np.testing.assert_array_equal(loaded[b"data"], IMAGES["test_batch"][0])
    assert loaded[b"labels"] == IMAGES["test_batch"][1].tolist()


def test_a_folder_in_the_home_and_a_folder_of_any_name(tmp_path, monkeypatch):
    """`~` is the home; the version is told by the batches, not by "-bin" in the folder's name."""
    home = tmp_path / "my-binaries"
    home.mkdir()
    write_folder(home, IMAGES)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("BIASSAY_DATA", "~")
    _assert_are_the_images(cifar10.load())
    _assert_are_the_images(cifar10.read((home / "cifar-10-batches-py").rename(home / "some-bin")))


# --- refusals ---------------------------------------------------------------------------------------------------------


class Malicious:
    """Pickled, it asks the reader to create the folder `hit`."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path):
    hit = tmp_path / "hit"
    write_folder(tmp_path, IMAGES)
    bad = pickle.dumps({b"data": Malicious(hit), b"labels": []}, protocol=2)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(bad)
    with pytest.raises(UserError, match=r"asks for '(posix|nt)\.mkdir'"):
        cifar10.load(tmp_path)
    assert not hit.exists()
    pickle.loads(bad)
    assert hit.exists(), "the pickle would have done it"


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"c_codecs\ndecode\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
    ],
)
def test_every_other_name_is_refused(tmp_path, content):
    write_folder(tmp_path, IMAGES)
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match="do not trust this file"):
        cifar10.load(tmp_path)


def _replaced(**parts) -> bytes:
    x, y = IMAGES["data_batch_1"]
    return pickle.dumps({b"data": x, b"labels": y.tolist()} | {k.encode(): v for k, v in parts.items()}, protocol=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a batch"),
        (b"not a pickle", "not a batch"),
        (pickle.dumps([1, 2], protocol=2), "dictionary with data and labels"),
        (_replaced(labels=[0, 1, 2, 10]), "a label is not one of 0..9"),
        (_replaced(labels=[0, 1, 2, -1]), "a label is not one of 0..9"),
        (_replaced(labels=[0, 1, 2]), r"shape \(4, 3072\) for 3 labels"),
        (_replaced(data=np.zeros((4, 3071), np.uint8)), r"shape \(4, 3071\)"),
        (_replaced(data=np.zeros((4, 3072), np.float64)), "numbers of type"),
        (_replaced(data=np.array([None] * 4)), "numbers of type"),
        (_replaced(data=[[0] * 3072] * 4), "dictionary with data and labels"),
        (b"\x80\x02c_codecs\nencode\nU\x01aU\x03zip\x86R.", "not a batch"),
        (b"Pabc\n.", "the instruction PERSID"),
        (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00)\x81.", "the instruction NEWOBJ"),
        (b"(" * 500_001 + b".", "too many instructions"),
        (_replaced(labels=[0, 1, 2, True]), "a label is not one of 0..9"),
        (b"c\x1b[31m\x07evil\nname\n.", r"asks for '\\x1b\[31m\\x07evil\.name'"),
        (b"c" + b"x" * 1_000_000 + b"\nname\n.", r"asks for 'x{79}\.\.\., which"),
        (b"\x80\x02cnumpy\ndtype\n(T" + struct.pack("<i", 10**6) + b"\x1b" * 10**6 + b"tR.", r"type b'(\\x1b){19}"),
        # Setting attributes of what the names stand for: the state (None, {"__new__": 1}) for each of them.
        (b"\x80\x02cnumpy\nndarray\nN}X\x07\x00\x00\x00__new__K\x01s\x86b.", "not a batch"),
        (b"\x80\x02cnumpy\ndtype\nN}X\x07\x00\x00\x00__new__K\x01s\x86b.", "not a batch"),
        (b"\x80\x02c_codecs\nencode\nN}X\x07\x00\x00\x00__new__K\x01s\x86b.", "not a batch"),
        (_replaced(labels=None), "a label is not one of"),
    ],
)
def test_a_file_that_is_no_batch_is_refused_in_one_line(tmp_path, content, words):
    write_folder(tmp_path, IMAGES)
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        cifar10.load(tmp_path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500
    write_archive(tmp_path, IMAGES)
    _assert_are_the_images(cifar10.read(tmp_path / "cifar-10-python.tar.gz"))


def _limited(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    """Lowers limits of the format."""
    form = cifar10._FORM
    monkeypatch.setattr(cifar10, "_FORM", form._replace(limits=form.limits._replace(**limits)))


def _text(length: int) -> bytes:
    return b"X" + struct.pack("<I", length) + b"a" * length


@pytest.mark.parametrize(
    ("content", "words"),
    [
        # One instruction reserves the memo up to its index, 4 GB here.
        (b"\x80\x02Nr\xff\xff\xff\x0f.", "remembers something at place 268435455"),
        # One string of 2 MB is encoded 200 times, and all results are kept.
        (
            b"\x80\x02" + _text(2_000_000) + b"q\x00" + _text(6) + b"q\x010" + b"c_codecs\nencode\nq\x02]q\x03("
            + b"h\x02h\x00X\x06\x00\x00\x00latin1\x86R" * 200 + b"e.",
            "larger than its file",
        ),
        # A length of 2 GB, and nothing after it.
        (b"\x80\x03B\xff\xff\xff\x7f.", "not a batch"),
    ],
)  # fmt: skip
def test_a_small_pickle_gets_no_large_memory(content, words, monkeypatch):
    _limited(monkeypatch, largest=4_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=words):
            _cifar.python_batch(content, "the file", cifar10._FORM)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_an_error_without_words_is_told_by_its_name():
    assert _files.one_line(MemoryError()) == "MemoryError"


def test_a_missing_batch_is_named(tmp_path):
    missing = {name: images for name, images in IMAGES.items() if name != "data_batch_4"}
    write_archive(tmp_path, missing)
    with pytest.raises(UserError, match="no batch data_batch_4"):
        cifar10.load(tmp_path)


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(old_numpy_pickle(*IMAGES["test_batch"]))
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    with pytest.raises(UserError, match="no batch data_batch_1"):
        cifar10.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive at all"])
def test_a_broken_archive_is_refused(tmp_path, content):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        cifar10.load(tmp_path)


def test_a_truncated_archive_is_refused(tmp_path):
    write_archive(tmp_path, IMAGES)
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"cannot be read|no batch"):
        cifar10.load(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path):
    """A wrong checksum behind the last member, and a stream that zlib cannot follow."""
    write_archive(tmp_path, IMAGES)
    archive = tmp_path / "cifar-10-python.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    with pytest.raises(UserError, match="cannot be read: CRC check failed"):
        cifar10.load(tmp_path)
    archive.write_bytes(whole[:1000] + b"\xff" * 200 + whole[1200:])
    with pytest.raises(UserError, match="cannot be read"):
        cifar10.load(tmp_path)


@pytest.mark.parametrize("kind", ["xz", "bz2", ""])
def test_an_archive_packed_in_another_way_is_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", f"w:{kind}"):
        pass
    with pytest.raises(UserError, match="cannot be read: Not a gzipped file"):
        cifar10.load(tmp_path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    """The header of a member (a PAX comment) may be as long as it says."""
    _limited(monkeypatch, whole=1_000_000)
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("data_batch_1")
        member.pax_headers = {"comment": "a" * 2_000_000}
        archive.addfile(member)
    with pytest.raises(UserError, match="too large to be an archive"):
        cifar10.load(tmp_path)
    # After the end of the archive too.
    with gzip.open(tmp_path / "cifar-10-python.tar.gz", "w") as stream:
        stream.write(bytes(2_000_000))
    with pytest.raises(UserError, match="too large to be an archive"):
        cifar10.load(tmp_path)


def test_an_archive_of_too_many_members_is_refused(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        for number in range(101):
            archive.addfile(tarfile.TarInfo(f"file_{number}"), io.BytesIO())
    with pytest.raises(UserError, match="too many members"):
        cifar10.load(tmp_path)


def test_what_is_no_file_is_not_read(tmp_path):
    """A device has no end and no size."""
    write_folder(tmp_path, IMAGES)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    batch.unlink()
    batch.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="data_batch_1 is not a file"):
        cifar10.load(tmp_path)
    link = tmp_path / "cifar-10-python.tar.gz"
    link.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="is not a file"):
        cifar10.read(link)


def test_a_batch_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    _limited(monkeypatch, largest=1000)
    for write in (write_archive, write_folder):
        folder = tmp_path / write.__name__
        folder.mkdir()
        write(folder, IMAGES)
        with pytest.raises(UserError, match="too large"):
            cifar10.load(folder)


def test_a_binary_batch_of_the_wrong_length_is_refused(tmp_path):
    write_folder(tmp_path, IMAGES, "binary")
    file = tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match="not a number of images"):
        cifar10.load(tmp_path)


def test_a_folder_without_the_data_says_what_it_should_hold(tmp_path):
    with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz"):
        cifar10.load(tmp_path)


# --- the download -----------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_folder(monkeypatch):
    monkeypatch.delenv("BIASSAY_DATA", raising=False)


@pytest.mark.usefixtures("_no_folder")
def test_without_pooch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(UserError, match=r"pip install 'biassay\[data\]', or set BIASSAY_DATA"):
        cifar10.load()
