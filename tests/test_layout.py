"""The file of a run: any data come back bit for bit, and any harm to it is one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from biassay import _layout
from biassay.errors import StoreError
from biassay.index import Index
from biassay.store import Store

RECORD = {"assay": "coins", "key": "k", "config": {"eta": 0.1, "seeds": 4}, "seconds": 1.0}
SMALL = xr.Dataset({"x": ("n", np.arange(3.0)), "word": ("n", ["a", "b", "c"])}, coords={"n": [1, 2, 3]})

# --- any data come back -----------------------------------------------------------------------------------------------

_DTYPES = st.sampled_from(["f4", "f8", ">f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "U"])
_SHAPES = st.sampled_from([(), (0,), (1,), (3,), (2, 3), (0, 2), (3, 0)])
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
_NAMES = st.text("abcdefghij_ é", min_size=1, max_size=6).filter(lambda name: name == name.strip())
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(["long_name", "units", "note", "number"]),
    _TEXT | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.lists(st.integers(0, 9), min_size=2),
)


@st.composite
def _arrays(draw: st.DrawFn) -> np.ndarray:
    dtype, shape = draw(_DTYPES), draw(_SHAPES)
    if dtype == "U":
        words = draw(st.lists(_TEXT, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        return np.array(words, str).reshape(shape)
    return draw(arrays.arrays(dtype, shape))


@st.composite
def _datasets(draw: st.DrawFn) -> xr.Dataset:
    data = xr.Dataset(attrs=draw(_ATTRIBUTES))
    for name in draw(st.lists(_NAMES, max_size=4, unique=True)):
        values = draw(_arrays())
        axes = tuple(f"axis{size}of{k}" for k, size in enumerate(values.shape))
        data[f"v {name}"] = (axes, values, draw(_ATTRIBUTES))
    for dim, size in data.sizes.items():
        if draw(st.booleans()):
            data = data.assign_coords({dim: np.arange(size, dtype=draw(st.sampled_from(["i8", "f8", "i2"])))})
    return data


def assert_same_bits(first: xr.Dataset, second: xr.Dataset) -> None:
    """The same to the last bit, signs of zeros and kinds of NaN included."""
    xr.testing.assert_identical(first, second)
    assert list(first.data_vars) == list(second.data_vars)
    for name, array in first.variables.items():
        assert array.dtype == second.variables[name].dtype
        if array.dtype.kind != "O":
            assert array.values.tobytes() == second.variables[name].values.tobytes()


@settings(max_examples=60, deadline=None)
@given(_datasets())
def test_any_dataset_comes_back_bit_for_bit(data: xr.Dataset) -> None:
    content = _layout.packed(data, RECORD)
    back, record = _layout.unpacked(content, Path("run.nc"))
    assert_same_bits(back, data)
    assert record == {**RECORD, "schema": _layout.SCHEMA}


@pytest.mark.nightly
@settings(max_examples=3000, deadline=None)
@given(_datasets())
def test_any_dataset_comes_back_bit_for_bit_at_length(data: xr.Dataset) -> None:
    assert_same_bits(_layout.unpacked(_layout.packed(data, RECORD), Path("run.nc"))[0], data)


def test_signs_of_zeros_and_payloads_of_nan_are_kept() -> None:
    bits = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000000, 1 << 63, 1], np.uint64)
    data = xr.Dataset({"x": ("n", bits.view(float)), "single": ("n", np.float32([np.nan, -np.inf, -0.0, 1e-45, 1]))})
    assert_same_bits(_layout.unpacked(_layout.packed(data, RECORD), Path("run.nc"))[0], data)


def test_xarray_reads_the_file_as_its_own(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"x": (("n", "m"), [[1.0, np.nan]], {"units": "1"}), "yes": ("m", [True, False]), "word": ("m", ["a", "é"])},
        coords={"n": [3], "time": ("m", [0.5, 1.5])},
    )
    path = Store(tmp_path).write("coins", "k", data, RECORD)
    with xr.open_dataset(path) as opened:
        xr.testing.assert_identical(opened.load().drop_attrs(deep=False), data)
        assert json.loads(opened.attrs["biassay_record"])["config"] == RECORD["config"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (xr.Dataset({"z": ("n", [1j])}), "the variable 'z' of type complex128 cannot be stored"),
        (xr.Dataset({"half": ("n", np.float16([1]))}), "the variable 'half' of type float16 cannot be stored"),
        (xr.Dataset({"o": ("n", np.array([None], object))}), "the variable 'o' of type object cannot be stored"),
        (xr.Dataset({"w": ("n", ["a\0b"])}), "the variable 'w' has text with a NUL character"),
        (xr.Dataset(attrs={"yes": True}), "the attribute 'yes' is True"),
    ],
)
def test_what_cannot_be_kept_exactly_is_refused(tmp_path: Path, data: xr.Dataset, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Store(tmp_path).write("coins", "k", data, {})
    assert list(tmp_path.iterdir()) == []


# --- malformed records, sealed as if they were good -------------------------------------------------------------------


def sealed(record: bytes, body: bytes | None = None) -> bytes:
    """A file with a true seal around what may be nonsense."""
    if body is None:
        whole = _layout.packed(SMALL, RECORD)
        body = whole[: -_layout._SEAL_BYTES - _layout._length(whole[-_layout._SEAL_BYTES :])]
    head = body + record + _layout._MARK + len(record).to_bytes(8, "big") + _layout._hash(record, 16)
    return head + _layout._hash(head, 20)


def spoilt(**changes: Any) -> bytes:
    return json.dumps({**RECORD, "schema": _layout.SCHEMA, **changes}).encode()


MALFORMED = {
    "empty": b"",
    "no JSON": b"hello",
    "half": spoilt()[:-5],
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "no text": b"\xff\xfe\x00",
    "UTF-16": spoilt().decode().encode("utf-16"),
    "deep": b"[" * 100_000,
    "long number": b'{"schema": ' + b"9" * 10_000 + b"}",
    "missing keys": b'{"schema": 2}',
    "schema of text": spoilt(schema="2"),
    "no schema": spoilt(schema=None),
    "assay a number": spoilt(assay=3),
    "key a list": spoilt(key=["k"]),
    "another run": spoilt(key="other"),
}
ODD = {
    "config a list": spoilt(config=[1]),
    "config a number": spoilt(config=3),
    "config null": spoilt(config=None),
    "seeds text": spoilt(config={"seeds": "4"}),
    "seeds huge": spoilt(config={"seeds": 10**30}),
    "seeds true": spoilt(config={"seeds": True}),
    "seconds text": spoilt(seconds="1"),
    "profile a list": spoilt(profile=[]),
    "profile with a line break": spoilt(profile="a\nb"),
    "profile half a character": spoilt(profile="\ud800"),
    "code a number": spoilt(code=1),
    "started a number": spoilt(started=5),
    "changed a number": spoilt(changed=3),
}
HARMLESS = {
    "changed of nothing": spoilt(changed=[3, None, ["eta"], "nothing"]),
    "odd settings": spoilt(config={"eta": {"deep": [None]}, "\ud800": "\ud800", "seeds": 4}, changed=["eta", "\ud800"]),
    "infinite seconds": spoilt(seconds=float("inf")),
    "no time": spoilt(started="yesterday"),
    "huge": spoilt(note="x" * 10**6),
}


@pytest.mark.parametrize("how", [*MALFORMED, *ODD, *HARMLESS])
def test_a_malformed_record_is_one_line(tmp_path: Path, how: str) -> None:
    """A listing tells what is wrong, with the index and without; what a listing needs is checked there alone."""
    path = Store(tmp_path).path("coins", "k")
    path.write_bytes(sealed({**MALFORMED, **ODD, **HARMLESS}[how]))
    for few in (0, 0, 10**9):
        (row,) = Index(tmp_path, few=few).rows(configs=True)
        assert (row.problem is None) == (how in HARMLESS)
        if row.problem is not None:
            assert row.problem.startswith(str(path))
            assert "\n" not in row.problem
    if how in MALFORMED:
        with pytest.raises(StoreError, match=rf"^{path} .*(delete it|fresh)[^\n]*$"):
            Store(tmp_path).read("coins", "k")


# --- harm to the bytes ------------------------------------------------------------------------------------------------

FUZZING = """
import contextlib, io, os, random, sys
from pathlib import Path
from biassay import cli
from biassay.errors import StoreError, UserError
from biassay.store import Store, open_run

folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, sys.argv[3])
from test_layout import RECORD, SMALL, sealed
from biassay import _layout
draw = random.Random(0)
whole = _layout.packed(SMALL, RECORD)
record = whole[-_layout._SEAL_BYTES - _layout._length(whole[-_layout._SEAL_BYTES:]) : -_layout._SEAL_BYTES]
body = whole[: -_layout._SEAL_BYTES - len(record)]
path = Store(folder / "store").path("coins", "k")
path.parent.mkdir(parents=True)
refused = 0
for round in range(rounds):
    harmed = bytearray(whole)
    for _ in range(draw.choice([1, 1, 1, 8, 64])):
        harmed[draw.randrange(len(harmed))] ^= draw.randrange(1, 256)
    kind = round % 5
    content = [
        bytes(harmed),
        whole[: draw.randrange(len(whole))],
        whole[draw.randrange(1, len(whole)) :],
        bytes(draw.randrange(2 * len(whole))),
        whole + draw.randbytes(draw.randrange(1, 100)),
    ][kind]
    path.write_bytes(content)
    try:
        open_run(path)
    except StoreError as error:
        assert str(error).startswith(str(path)) and "\\n" not in str(error)
        refused += 1
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        assert cli.main(["runs", "--out", str(folder)]) == 0
    assert all(line.startswith(("biassay: ", "0 runs", "1 runs")) for line in err.getvalue().splitlines())
print(refused)
"""


@pytest.mark.parametrize("rounds", [200, pytest.param(5000, marks=pytest.mark.nightly)])
def test_no_harm_to_the_bytes_is_taken_for_a_run(tmp_path: Path, rounds: int) -> None:
    command = [sys.executable, "-c", FUZZING, str(tmp_path), str(rounds), str(Path(__file__).parent)]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60 + rounds / 5)
    assert (asked.stdout, asked.stderr) == (f"{rounds}\n", "")


@pytest.mark.parametrize("what", ["empty", "folder", "pipe", "device", "link to nowhere", "loop", "forbidden"])
def test_what_is_no_file_is_one_line_and_never_hangs(tmp_path: Path, what: str) -> None:
    path = Store(tmp_path / "store").path("coins", "k")
    path.parent.mkdir()
    if what == "empty":
        path.touch()
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "link to nowhere":
        path.symlink_to("nowhere")
    elif what == "loop":
        path.symlink_to(path)
    else:
        path.write_bytes(_layout.packed(SMALL, RECORD))
        path.chmod(0)
    code = (
        "import os, sys; from pathlib import Path; from biassay import cli; from biassay.store import Store\n"
        "from biassay.errors import StoreError\n"
        "cli.main(['runs', '--out', 'nowhere']); from biassay import found  # imported as long as all can be read\n"
        "if os.geteuid() == 0 and sys.argv[2] == 'forbidden': os.setegid(65534); os.seteuid(65534)\n"
        "try: print(Store(Path(sys.argv[1]) / 'store').read('coins', 'k'))\n"
        "except StoreError as error: print(error)\n"
        "sys.exit(cli.main(['runs', '--out', sys.argv[1]]))"
    )
    for parent in [tmp_path, *tmp_path.parents][:-1]:
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o055)
    command = [sys.executable, "-c", code, str(tmp_path), what]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert asked.returncode == 0
    _, error, count = asked.stderr.splitlines()
    assert error.startswith(f"biassay: left out: {'' if what == 'empty' else 'cannot read '}{path}")
    assert count == "0 runs, 0 of the current code"
    said = asked.stdout.splitlines()
    assert len(said) == 1
    assert said[0] == "None" if what in ("link to nowhere", "loop") else str(path) in said[0]


def test_the_commands_say_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    Store(tmp_path / "store").write("coins", "k", SMALL, RECORD).write_bytes(sealed(MALFORMED["no JSON"]))
    code = "import sys; from biassay import cli; sys.exit(cli.main(['report', '--out', sys.argv[1]]))"
    asked = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert asked.returncode == 2
    assert asked.stderr.startswith(f"biassay: {tmp_path}/store/coins-k.nc has a record that is none of biassay's")
    assert len(asked.stderr.splitlines()) == 1
