"""CIFAR-10 from disk and from the cache: the two formats, written small; what is refused; what a download says."""

import os
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from biassay.data import cifar10
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
    with pytest.raises(UserError, match=r"asks for posix\.mkdir|asks for nt\.mkdir"):
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
        (b"Pabc\n.", "outside itself"),
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
    assert "\n" not in str(error.value)
    write_archive(tmp_path, IMAGES)
    _assert_are_the_images(cifar10.read(tmp_path / "cifar-10-python.tar.gz"))


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


def test_a_batch_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_LARGEST", 1000)
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


@pytest.mark.usefixtures("_no_folder")
def test_without_a_network_the_error_says_so(monkeypatch):
    pooch = pytest.importorskip("pooch")

    def no_network(*args, **kwargs):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    with pytest.raises(UserError, match="could not be downloaded: connect to a network, or set BIASSAY_DATA") as error:
        cifar10.load()
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("_no_folder")
def test_an_archive_in_the_cache_must_have_the_checksum(tmp_path, monkeypatch):
    """The fixture's archive is refused under the real checksum and read under its own."""
    pooch = pytest.importorskip("pooch")
    served, cache = tmp_path / "served", tmp_path / "cache"
    served.mkdir()
    write_archive(served, IMAGES)

    def serve(url, output_file, pooch_object):
        assert url == cifar10.URL
        Path(output_file).write_bytes((served / "cifar-10-python.tar.gz").read_bytes())

    retrieve = pooch.retrieve
    monkeypatch.setattr(pooch, "os_cache", lambda name: cache / name)
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **more: retrieve(*args, **more, downloader=serve))
    with pytest.raises(UserError, match="wrong checksum"):
        cifar10.load()
    monkeypatch.setattr(cifar10, "MD5", pooch.file_hash(served / "cifar-10-python.tar.gz", alg="md5"))
    _assert_are_the_images(cifar10.load())
