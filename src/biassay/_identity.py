"""A fingerprint of anything a computation depends on: equal things have equal ones, in every process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def fingerprint(thing: Any) -> str:
    """24 hexadecimal digits. Arrays count by their type, shape and bytes; containers and objects by their parts;
    functions by their name, code, defaults and what they close over, not by the globals they read."""
    return _digest(thing, ()).hex()[:24]


def array_bytes(array: Any) -> np.ndarray:
    """The bytes of an array of any type: numbers that NumPy has no name for (bfloat16), keys of randomness."""
    plain = jax.random.key_data(array) if is_key(array) else array
    return np.ascontiguousarray(jax.device_get(plain)).reshape(-1).view(np.uint8)


def is_key(array: Any) -> bool:
    """Whether an array holds keys of randomness."""
    return jnp.issubdtype(array.dtype, jax.dtypes.prng_key)


def _digest(thing: Any, above: tuple[int, ...]) -> bytes:
    """above: the objects this one is a part of, so that a circle ends."""
    if id(thing) in above:
        return _join("above", str(above[::-1].index(id(thing))).encode())
    inside = (*above, id(thing))

    def parts(things: Iterable[Any]) -> list[bytes]:
        return [_digest(part, inside) for part in things]

    if isinstance(thing, jax.Array | np.ndarray | np.generic):
        return _join("array", f"{thing.dtype}{np.shape(thing)}".encode(), array_bytes(thing).data)
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
        return _join(type(thing).__name__, repr(thing).encode())
    if isinstance(thing, set | frozenset):
        return _join("set", *sorted(parts(thing)))
    if isinstance(thing, Mapping):
        return _join("mapping", *parts(part for pair in thing.items() for part in pair))
    if isinstance(thing, tuple | list | range):
        return _join(type(thing).__qualname__, *parts(thing))
    if isinstance(thing, types.CodeType):
        return _join("code", thing.co_code, *parts((thing.co_consts, thing.co_names)))
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        named = (thing.__module__, thing.__qualname__)
        return _join("function", *parts((*named, thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells)))
    if isinstance(thing, types.MethodType):
        return _join("method", *parts((thing.__func__, thing.__self__)))
    if isinstance(thing, functools.partial):
        return _join("partial", *parts((thing.func, thing.args, thing.keywords)))
    if isinstance(thing, type | types.ModuleType | types.BuiltinFunctionType):
        return _join("name", f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', thing)}".encode())
    if hasattr(thing, "__wrapped__"):  # jitted functions
        return _join("wrapped", *parts((type(thing), thing.__wrapped__)))
    if dataclasses.is_dataclass(thing):
        own = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
        return _join("dataclass", *parts((type(thing), own)))
    if getattr(thing, "__dict__", None):
        return _join("object", *parts((type(thing), vars(thing))))
    return _join("words", re.sub(r" at 0x[0-9a-f]+", "", repr(thing)).encode())


def _join(kind: str, *pieces: bytes | memoryview) -> bytes:
    """A hash of pieces that no other division into pieces has."""
    digest = hashlib.blake2b(kind.encode(), digest_size=16)
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)
    return digest.digest()
