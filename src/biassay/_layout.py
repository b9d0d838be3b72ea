"""The layout of a run's file: data as netCDF4, then the record as JSON, then a seal.

    netCDF4 | record | mark 12 | length of the record 8 | hash of the record 16 | hash of all before 20     (bytes)

NetCDF's readers stop before the record and see an ordinary file, with the record among its attributes. The copy at the
end is what makes a folder of many runs quick to list: it is read, and checked, without the data.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StoreError

if TYPE_CHECKING:
    import netCDF4
    import numpy as np
    import xarray as xr

SCHEMA = 2
_RECORD = "biassay_record"
_MARK = b"biassay run\n"
_SEAL_BYTES = len(_MARK) + 8 + 16 + 20
_FIRST_SEAL = 32  # of schema 1: its mark, then a hash of 20 bytes
_FIRST_MARK = b"biassay run "
_LONGEST = 2**24  # bytes of a record that is read; a longer one is damage
_TYPICAL = 4096  # bytes from the end that hold most records
_AGAIN = "delete it, or run with --fresh"
_PLAIN = re.compile(r"\S+")


class OtherLayoutError(StoreError):
    """A file of another schema: whole, and of no use to this version."""


def packed(data: xr.Dataset, record: Mapping[str, Any]) -> bytes:
    """The content of a file with this data and record.

    Raises:
        ValueError: a variable or an attribute that the file cannot hold exactly.
    """
    text = json.dumps({**record, "schema": SCHEMA}, allow_nan=False)
    layout = {
        "dtypes": {str(name): array.dtype.str for name, array in data.variables.items()},
        "coordinates": [str(name) for name in data.coords],
    }
    with _alone():
        body = _as_netcdf(data, text, json.dumps(layout)) + text.encode()
    head = body + _MARK + len(text.encode()).to_bytes(8, "big") + _hash(text.encode(), 16)
    return head + _hash(head, 20)


def unpacked(content: bytes, path: Path) -> tuple[xr.Dataset, dict[str, Any]]:
    """Data and record of a file with this content.

    The seal is checked first: the library under netCDF4 was seen to hang on files with damaged bytes.

    Raises:
        StoreError: the content is damaged, not of our making, or of another layout.
    """
    text = _record_text(content[-_SEAL_BYTES:], content[-_SEAL_BYTES - _LONGEST : -_SEAL_BYTES], path)
    if _hash(content[:-20], 20) != content[-20:]:
        raise StoreError(f"{path} is damaged: {_AGAIN}")
    record = parsed(text, path)
    try:
        with _alone():
            return _from_netcdf(content[: -_SEAL_BYTES - len(text)]), record
    except Exception as error:  # a file that was sealed with damage in it may raise anything
        raise StoreError(f"{path} cannot be read ({type(error).__name__}): {_AGAIN}") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """A file opened to be read, and its status. It must be an ordinary one: a pipe or a device would never end.

    Raises:
        StoreError: it cannot be read, or is no ordinary file.
    """
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file")
        yield handle, status
    except OSError as error:
        raise StoreError(f"cannot read {path}: {reason(error)}") from None
    finally:
        if handle is not None:
            os.close(handle)


def content(path: Path) -> bytes:
    """All of an ordinary file.

    Raises:
        StoreError: as `opened`.
    """
    with opened(path) as (handle, status):
        return _read(handle, status.st_size)


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(str(text).split()) or type(error).__name__


def record_text(handle: int, size: int, path: Path) -> bytes:
    """The record of the open file `handle` of `size` bytes as JSON, checked, without its data.

    Raises:
        StoreError: as `unpacked`, where the end of the file shows it.
        OSError: the file cannot be read.
    """
    wanted = min(size, _TYPICAL)
    while True:
        os.lseek(handle, size - wanted, os.SEEK_SET)
        end = _read(handle, wanted)
        seal = end[-_SEAL_BYTES:]
        missing = _length(seal) + _SEAL_BYTES - wanted if seal.startswith(_MARK) else 0
        if missing <= 0 or missing + wanted > min(size, _LONGEST):
            return _record_text(seal, end[:-_SEAL_BYTES], path)
        wanted += missing


def parsed(text: bytes, path: Path) -> dict[str, Any]:
    """The record that `text` is, with the fields and types that every record has.

    Raises:
        StoreError: it is none, or of another schema.
    """
    try:
        record = json.loads(text.decode())
        schema, named = record["schema"], isinstance(record["assay"], str) and isinstance(record["key"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        record, schema, named = {}, None, False
    if isinstance(schema, int) and schema != SCHEMA:
        raise _other_layout(path)
    if not named or schema != SCHEMA:
        raise StoreError(f"{path} has a record that is none of biassay's: {_AGAIN}")
    return record


def _record_text(seal: bytes, before: bytes, path: Path) -> bytes:
    if not seal.startswith(_MARK) or len(seal) < _SEAL_BYTES:
        if seal[-_FIRST_SEAL:].startswith(_FIRST_MARK):
            raise _other_layout(path)
        raise StoreError(f"{path} is cut short or was not written by biassay: {_AGAIN}")
    length, start = _length(seal), len(_MARK) + 8
    text = before[-length:] if 0 < length <= len(before) else b""
    if _hash(text, 16) != seal[start : start + 16]:
        raise StoreError(f"{path} is damaged: {_AGAIN}")
    return text


def _other_layout(path: Path) -> StoreError:
    return OtherLayoutError(f"{path} has the layout of another biassay version: {_AGAIN}")


def _length(seal: bytes) -> int:
    return int.from_bytes(seal[len(_MARK) : len(_MARK) + 8], "big")


def _hash(content: bytes, size: int) -> bytes:
    return hashlib.blake2b(content, digest_size=size).digest()


def _read(handle: int, size: int) -> bytes:
    parts = []
    while size and (part := os.read(handle, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


NETCDF = threading.RLock()
"""Held by every thread of ours that uses the netCDF library, which crashes when two do at once. xarray's own lock is
not enough around `to_netcdf`: it leaves some of the library's calls outside."""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Inside the block no other thread of ours, and no reading or writing of xarray's, uses the netCDF library."""
    from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

    with NETCDF, NETCDF4_PYTHON_LOCK:
        yield


# --- netCDF, by the conventions of xarray, without its passes over every variable -------------------------------------


def _as_netcdf(data: xr.Dataset, record: str, layout: str) -> bytes:
    import netCDF4

    file = netCDF4.Dataset("run.nc", "w", format="NETCDF4", memory=1)
    try:
        for name, size in data.sizes.items():
            file.createDimension(str(name), size)
        beside = [str(name) for name in data.coords if name not in data.dims and _PLAIN.fullmatch(str(name))]
        _annotate(file, {**data.attrs, _RECORD: record, f"{_RECORD}_layout": layout})
        if beside:
            file.setncattr("coordinates", " ".join(beside))
        for name, array in data.variables.items():
            _write_variable(file, str(name), array)
    except BaseException:
        file.close()
        raise
    return _trimmed(bytes(file.close()))  # pyright: ignore[reportArgumentType]


def _trimmed(body: bytes) -> bytes:
    """HDF5 makes a file in memory in pieces of 64 KiB; its superblock (version 2 or 3) says where the file ends."""
    end = int.from_bytes(body[28:36], "little") if body[8] in (2, 3) else 0
    return body[:end] if 0 < end <= len(body) and not body[end:].strip(b"\0") else body


def _write_variable(file: netCDF4.Dataset, name: str, array: xr.Variable) -> None:
    import numpy as np

    values = np.asarray(array.values)
    kind, attributes = values.dtype.kind, dict(array.attrs)
    if kind == "b":
        values, attributes["dtype"] = values.astype("i1"), "bool"
    elif kind == "U" or (kind == "O" and all(isinstance(word, str) for word in values.flat)):
        if any("\0" in word for word in values.flat):
            raise ValueError(f"the variable {name!r} has text with a NUL character, which netCDF cannot hold")
        kind, values = "U", values.astype(object)
    elif kind not in "iuf" or values.dtype.itemsize > 8 or values.dtype == np.float16:
        raise ValueError(
            f"the variable {name!r} of type {values.dtype} cannot be stored: numbers, booleans and text can"
        )
    else:
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
    stored = str if kind == "U" else values.dtype
    variable = file.createVariable(name, stored, tuple(map(str, array.dims)), fill_value=None if kind == "U" else False)
    variable.set_auto_maskandscale(False)
    _annotate(variable, attributes)
    if values.size:
        variable[...] = values if values.ndim else values[()]


def _annotate(target: netCDF4.Dataset | netCDF4.Variable, attributes: Mapping[Any, Any]) -> None:
    import numpy as np

    for name, value in attributes.items():
        if isinstance(value, bool | np.bool_) or value is None:
            raise ValueError(f"the attribute {name!r} is {value!r}; netCDF holds text and numbers")
        target.setncattr(str(name), value)


def _from_netcdf(body: bytes) -> xr.Dataset:
    import netCDF4
    import numpy as np
    import xarray as xr

    with netCDF4.Dataset("run.nc", memory=body) as file:
        file.set_auto_maskandscale(False)
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
        layout = json.loads(attributes.pop(f"{_RECORD}_layout"))
        del attributes[_RECORD]
        attributes.pop("coordinates", None)
        variables = {
            name: _read_variable(file.variables[name], np.dtype(dtype)) for name, dtype in layout["dtypes"].items()
        }
    coordinates = {name: variables.pop(name) for name in layout["coordinates"]}
    return xr.Dataset(variables, xr.Coordinates(coordinates), attributes)


def _read_variable(variable: netCDF4.Variable, dtype: np.dtype) -> xr.Variable:
    import numpy as np
    import xarray as xr

    attributes = {name: variable.getncattr(name) for name in variable.ncattrs()}
    if dtype.kind == "b":
        del attributes["dtype"]
    values = np.asarray(variable[...]).astype(dtype).reshape(variable.shape)
    return xr.Variable(variable.dimensions, values, attributes, fastpath=True)
