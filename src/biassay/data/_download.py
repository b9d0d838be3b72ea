"""Downloads that go on where they stopped, and that are whole and verified or not there.

What has come lies in `NAME.part`, in the cache. The next attempt asks for the rest by a Range request (RFC 9110,
section 14) and starts anew when the server sends the whole file. Only what has the checksum is renamed to `NAME`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ._files import one_line
from ._folder import VARIABLE

_CHUNK = 2**16
"""Bytes written at once: what a lost connection loses."""
_SECONDS = 10, 60
"""How long a server may take to connect, and to send the next bytes."""


class Source(NamedTuple):
    """A file on a server."""

    kind: str
    """The data set, such as "CIFAR-10"."""
    url: str
    md5: str
    largest: int
    """Bytes it may have."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]


def downloaded(source: Source) -> Path:
    """The file in the cache, fetched and verified when it is not there.

    Raises:
        UserError: pooch is missing, the cache cannot be written, the download failed, or the checksum is wrong.
    """
    or_else = f"or set {VARIABLE} to a folder that holds {source.name}"
    try:
        import pooch
        import requests  # which pooch depends on
    except ImportError:
        raise DataError(f"downloading {source.kind} needs pooch: pip install 'biassay[data]', {or_else}") from None
    cache = Path(pooch.os_cache("biassay"))
    target, part = cache / source.name, cache / f"{source.name}.part"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(cache):
            for known in (target, part):
                if known.is_symlink() or (known.exists() and not known.is_file()):
                    raise DataError(f"{known} is not a file: remove it, {or_else}")
            if target.exists() and _md5(target) == source.md5:
                return target
            if not (part.exists() and _md5(part) == source.md5):
                pooch.get_logger().info(f"Downloading {source.url} to {target}")
                _fetch(source, part)
            if (found := _md5(part)) != source.md5:
                part.unlink()
                raise DataError(
                    f"what {source.url} sent has the wrong checksum: try again, {or_else} "
                    f"(md5 {found} instead of {source.md5})"
                )
            os.replace(part, target)
    except requests.RequestException as error:
        kept = "; what has come is kept, and the next attempt goes on there" if part.exists() else ""
        raise DataError(
            f"{source.url} could not be downloaded: connect to a network, {or_else} ({one_line(error)}){kept}"
        ) from None
    except OSError as error:
        raise DataError(
            f"the cache {cache} cannot be used: allow writing to it, {or_else} ({one_line(error)})"
        ) from None
    return target


def _fetch(source: Source, part: Path) -> None:
    """Appends to `part` what is missing of it; a part that the server cannot continue is fetched anew."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    with _asked(source.url, have) as answer:
        # 206: "partial content" from the byte that was asked for; 200: the whole file.
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if goes_on or answer.status_code == 200:
            return _receive(answer, source, part, have if goes_on else 0)
        if not have:
            answer.raise_for_status()
            raise requests.RequestException(f"the server answered with status {answer.status_code}")
    if answer.status_code in (206, 416):  # another piece, or none: the part is not of this file
        part.unlink()
        return _fetch(source, part)
    answer.raise_for_status()
    raise requests.RequestException(f"the server answered with status {answer.status_code}")


def _asked(url: str, start: int) -> Any:
    """The server's answer, its body still to come, from byte `start` on where the server can do that."""
    import requests

    wanted = {"Range": f"bytes={start}-"} if start else {}
    # Compressed on the way, the bytes would not be those of the file.
    return requests.get(url, headers={"Accept-Encoding": "identity", **wanted}, stream=True, timeout=_SECONDS)


def _receive(answer: Any, source: Source, part: Path, have: int) -> None:
    import requests

    with part.open("ab" if have else "wb") as stream:
        for chunk in answer.iter_content(_CHUNK):
            have += len(chunk)
            if have > source.largest:
                break
            stream.write(chunk)
    if have > source.largest:
        part.unlink()
        raise DataError(f"{source.url} sends more than {source.largest} bytes: that is not {source.kind}")
    announced = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get("Content-Length")
    if announced and announced.isdigit() and have < int(announced):
        raise requests.ConnectionError(f"the connection ended after {have} of {announced} bytes")


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Inside the block no other process downloads to `folder`, where the system can lock one.

    Where it cannot, two downloads into one file fail by the checksum.
    """
    try:
        import fcntl

        lock = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)  # which unlocks
