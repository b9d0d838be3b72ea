"""Downloads from a server on this machine: continued, verified, and nothing left of what is wrong."""

import contextlib
import hashlib
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from biassay.data import _download, cifar10, cifar100
from biassay.errors import UserError
from tiny_cifar import batches, write_archive

pooch = pytest.importorskip("pooch")

CONTENT = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8).tobytes()


class Server(ThreadingHTTPServer):
    """Serves `content`, and remembers which byte each request asked to start at."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True  # whether Range requests are answered with the range
        self.wrong_range = False  # whether they are answered with another piece
        self.cut: int | None = None  # the connection is cut after so many bytes
        self.piece: int | None = None  # of a range at most so many bytes are sent
        self.status: int | None = None
        self.length = True  # whether the length is announced
        self.starts: list[int] = []

    def source(self, content: bytes = CONTENT, largest: int = 10**6) -> _download.Source:
        url = f"http://127.0.0.1:{self.server_port}/data.tar.gz"
        return _download.Source("CIFAR-10", url, hashlib.md5(content).hexdigest(), largest)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        server.starts.append(start)
        if server.status or (server.ranges and start >= len(server.content)):
            self.send_response(server.status or 416)
            self.end_headers()
            return
        partial = server.ranges and "Range" in self.headers
        begin = start + 1 if server.wrong_range and partial else start if partial else 0
        body = server.content[begin:][: server.piece if partial else None]
        self.send_response(206 if partial else 200)
        if partial:
            total = len(server.content)
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{total}")
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut])

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BIASSAY_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "biassay"


@contextlib.contextmanager
def refused(words: str) -> Iterator[None]:
    """A `UserError` of one line that says `words`."""
    with pytest.raises(UserError, match=words) as error:
        yield
    assert str(error.value).isprintable()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_is_fetched_once(server, cache):
    for _ in range(2):
        assert _download.downloaded(server.source()).read_bytes() == CONTENT
    assert server.starts == [0]
    assert names(cache) == ["data.tar.gz"]


@pytest.mark.parametrize("length", [True, False])
def test_a_cut_download_is_continued(server, cache, length):
    server.cut, server.length = 80_000, length
    expected = r"connect to a network, or set BIASSAY_DATA to a folder that holds data\.tar\.gz .* the next attempt"
    if length:
        with refused(expected):
            _download.downloaded(server.source())
        assert (cache / "data.tar.gz.part").read_bytes() == CONTENT[: 2**16]
        with refused(expected):
            _download.downloaded(server.source())
        assert (cache / "data.tar.gz.part").read_bytes() == CONTENT[: 2 * 2**16]
        server.cut = None
        assert _download.downloaded(server.source()).read_bytes() == CONTENT
        assert server.starts == [0, 2**16, 2 * 2**16]
        assert names(cache) == ["data.tar.gz"]
    else:  # without an announced length the end is taken for the end, and the checksum tells
        with refused("wrong checksum"):
            _download.downloaded(server.source())
        assert names(cache) == []


def test_a_server_without_ranges_is_asked_for_the_whole_file(server, cache):
    server.ranges = False
    cache.mkdir(parents=True)
    (cache / "data.tar.gz.part").write_bytes(CONTENT[:80_000])
    assert _download.downloaded(server.source()).read_bytes() == CONTENT
    assert server.starts == [80_000]
    assert names(cache) == ["data.tar.gz"]


@pytest.mark.parametrize("wrong", ["another piece", "longer than the file"])
def test_a_part_that_cannot_be_continued_is_fetched_anew(server, cache, wrong):
    server.wrong_range = wrong == "another piece"
    cache.mkdir(parents=True)
    (cache / "data.tar.gz.part").write_bytes(CONTENT[:50] if server.wrong_range else CONTENT + b"more")
    assert _download.downloaded(server.source()).read_bytes() == CONTENT
    assert len(server.starts) == 2
    assert server.starts[1] == 0


def test_a_server_that_sends_less_than_the_rest_is_asked_again(server, cache):
    server.piece = 70_000
    cache.mkdir(parents=True)
    (cache / "data.tar.gz.part").write_bytes(CONTENT[:80_000])
    with refused("the connection ended after 150000 of 200000 bytes"):
        _download.downloaded(server.source())
    assert _download.downloaded(server.source()).read_bytes() == CONTENT
    assert server.starts == [80_000, 150_000]


def test_a_part_that_is_whole_needs_no_server(cache):
    cache.mkdir(parents=True)
    (cache / "data.tar.gz.part").write_bytes(CONTENT)
    source = _download.Source("CIFAR-10", "http://127.0.0.1:9/data.tar.gz", hashlib.md5(CONTENT).hexdigest(), 10**6)
    assert _download.downloaded(source).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"", CONTENT[:100], b"of another file"])
def test_of_a_wrong_checksum_nothing_is_left(server, cache, part):
    cache.mkdir(parents=True)
    if part:
        (cache / "data.tar.gz.part").write_bytes(part)
    wanted = CONTENT if part == b"of another file" else b"something else"
    with refused("wrong checksum: try again, or set BIASSAY_DATA"):
        _download.downloaded(server.source(wanted))
    assert names(cache) == []
    assert _download.downloaded(server.source()).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_replaced(server, cache):
    cache.mkdir(parents=True)
    (cache / "data.tar.gz").write_bytes(CONTENT[:-1])
    assert _download.downloaded(server.source()).read_bytes() == CONTENT


def test_a_server_that_sends_too_much_is_left(server, cache):
    with refused("sends more than 1000 bytes"):
        _download.downloaded(server.source(largest=1000))
    assert names(cache) == []


@pytest.mark.parametrize("status", [404, 503])
def test_what_the_server_cannot_give_is_said(server, cache, status):
    server.status = status
    with refused(f"could not be downloaded: connect to a network, .*{status}"):
        _download.downloaded(server.source())
    assert names(cache) == []
    (cache / "data.tar.gz.part").write_bytes(CONTENT[:100])
    with refused(f"{status}"):
        _download.downloaded(server.source())
    assert (cache / "data.tar.gz.part").read_bytes() == CONTENT[:100]


def test_without_a_server_the_error_says_so(cache):
    source = _download.Source("CIFAR-10", "http://127.0.0.1:9/data.tar.gz", "0" * 32, 10**6)
    with refused("could not be downloaded: connect to a network, or set BIASSAY_DATA"):
        _download.downloaded(source)
    assert names(cache) == []


@pytest.mark.parametrize("name", ["data.tar.gz", "data.tar.gz.part"])
def test_a_device_or_a_link_in_the_cache_is_not_used(server, cache, name):
    cache.mkdir(parents=True)
    (cache / name).symlink_to("/dev/zero")
    with refused(f"{name} is not a file: remove it"):
        _download.downloaded(server.source())
    assert server.starts == []


def test_a_cache_that_cannot_be_written_is_named(server, cache):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"a file where the folder should be")
    with refused(r"the cache .* cannot be used: allow writing to it") as _:
        _download.downloaded(server.source())
    assert server.starts == []


def test_two_downloads_at_once_are_one(server, cache):
    """The second waits, and finds what the first has fetched."""
    threads = [threading.Thread(target=_download.downloaded, args=(server.source(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.starts == [0]


@pytest.mark.parametrize("module", [cifar10, cifar100])
def test_without_pooch_the_error_says_what_to_install(cache, module, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with refused(r"pip install 'biassay\[data\]', or set BIASSAY_DATA"):
        module.load()


def test_an_archive_in_the_cache_must_have_the_checksum(server, cache, tmp_path, monkeypatch):
    """The fixture's archive is refused under the real checksum and read under its own."""
    write_archive(tmp_path, images := batches(seed=0, each=4))
    server.content = (tmp_path / "cifar-10-python.tar.gz").read_bytes()
    monkeypatch.setattr(cifar10, "URL", server.source().url)
    with refused("wrong checksum"):
        cifar10.load()
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(server.content).hexdigest())
    np.testing.assert_array_equal(cifar10.load().test_y, images["test_batch"][1])
