"""Configs: reading text, refusing slips in one line, and one canonical text for equal configs."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biassay import configs
from biassay._entries import spelled
from biassay.errors import UserError
from biassay.store import key
from biassay.store import key as key_of


@dataclass(frozen=True)
class Config:
    epsilon: float = 0.25
    steps: int = 10
    decay: bool = False
    start: Literal["zero", "random"] = "zero"
    etas: tuple[float, ...] = (0.3, 0.4)
    box: tuple[int, int] = (1, 2)
    limit: float | None = None
    label: str = "x"
    seed: int = 0
    seeds: int = 4

    def __post_init__(self) -> None:
        if self.epsilon <= 0:
            raise ValueError(f"epsilon must be above 0,\n got {self.epsilon}")


def test_text_becomes_typed_values() -> None:
    texts = {
        "epsilon": "1e-3", "steps": "20", "decay": "true", "start": "random", "etas": "0.3, 0.5,1",
        "box": "(3,4)", "limit": "2", "label": "a=b",
    }  # fmt: skip
    read = configs.replace(Config(), configs.read(Config(), texts))
    assert read == Config(1e-3, 20, True, "random", (0.3, 0.5, 1.0), (3, 4), 2.0, "a=b")
    assert [type(value) for value in (read.epsilon, read.steps, read.decay, read.limit)] == [float, int, bool, float]
    assert configs.read(Config(), {"limit": "none", "etas": "0.7"}) == {"limit": None, "etas": (0.7,)}
    assert configs.split("label=a=b") == ("label", "a=b")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epsilom=1", "there is no field 'epsilom': did you mean 'epsilon'?"),
        ("epsilon=abc", "--set epsilon=abc: epsilon is a finite float"),
        ("epsilon=nan", "--set epsilon=nan: epsilon is a finite float"),
        ("epsilon=1e999", "--set epsilon=1e999: epsilon is a finite float"),
        ("epsilon=-1", "epsilon must be above 0, got -1.0"),
        ("steps=1.5", "--set steps=1.5: steps is an integer"),
        ("decay=maybe", "--set decay=maybe: decay is true or false"),
        ("start=one", "--set start=one: start is one of zero, random"),
        ("etas=0.3;0.4", "--set etas=0.3;0.4: etas is several values with commas between them, each a finite float"),
        ("box=1,2,3", "--set box=1,2,3: box is 2 values with commas between them, each an integer"),
        ("limit=inf", "--set limit=inf: limit is a finite float, or none"),
        ("steps", "--set takes field=value, got 'steps'"),
        ("=3", "--set takes field=value, got '=3'"),
    ],
)
def test_a_slip_is_one_clear_line(setting: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        configs.replace(Config(), configs.read(Config(), dict([configs.split(setting)])))
    assert str(caught.value) == message


def test_an_unlike_field_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no field 'qqq': it is one of box, decay, epsilon, .*steps"):
        configs.replace(Config(), {"qqq": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [("epsilon", "0.3"), ("epsilon", True), ("epsilon", float("nan")), ("steps", 1.0), ("seeds", True), ("decay", 1),
     ("etas", 0.3), ("etas", "0.3"), ("box", (1,)), ("label", 3), ("start", "one")],
)  # fmt: skip
def test_python_values_of_another_type_are_refused(name: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"^{name}=.*: {name} is "):
        configs.replace(Config(), {name: value})


def test_equal_values_in_other_clothes_are_the_same_config() -> None:
    plain = configs.replace(Config(), {"epsilon": 1, "steps": 3, "etas": [1, 2], "decay": True})
    clothed = configs.replace(
        Config(),
        {"decay": np.True_, "etas": np.array([1.0, 2.0]), "steps": np.int32(3), "epsilon": np.float32(1)},
    )
    assert plain == clothed
    assert configs.canonical_text(plain) == configs.canonical_text(clothed)
    assert configs.canonical_text(Config(epsilon=1)) == configs.canonical_text(Config(epsilon=1.0))
    assert configs.canonical(Config(etas=(-0.0,)))["etas"] == [0.0]
    assert configs.canonical(Config())["limit"] is None


_values = st.fixed_dictionaries(
    {},
    optional={
        "epsilon": st.sampled_from([1, 1.0, 0.5, 1e-300, 0.1, 0.1 + 2**-56]),
        "steps": st.integers(0, 2),
        "decay": st.booleans(),
        "etas": st.lists(st.sampled_from([0.0, -0.0, 0, 1, 0.3]), max_size=2).map(tuple),
        "limit": st.sampled_from([None, 0, 0.0, 1.0]),
        "label": st.sampled_from(["", "None", "x", "é"]),
    },
)


@given(_values, _values)
def test_configs_are_equal_exactly_when_their_texts_are(first: dict, second: dict) -> None:
    a, b = Config(**first), Config(**second)
    assert (a == b) == (configs.canonical_text(a) == configs.canonical_text(b))
    assert configs.canonical_text(configs.replace(Config(), configs.canonical(a))) == configs.canonical_text(a)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda text: text == text.strip())
_FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float)
_ANY = st.fixed_dictionaries(
    {
        "epsilon": _FLOATS.map(abs).filter(bool),
        "steps": st.integers(-(2**70), 2**70),
        "decay": st.booleans(),
        "start": st.sampled_from(["zero", "random"]),
        "etas": st.lists(_FLOATS, max_size=4).map(tuple),
        "box": st.tuples(st.integers(), st.integers()),
        "limit": st.none() | _FLOATS,
        "label": _TEXT,
        "seed": st.integers(0, 9),
        "seeds": st.integers(1, 9),
    }
)


@given(_ANY)
def test_what_is_written_out_is_read_back(values: dict) -> None:
    """Value -> text -> value, by way of the command line, of JSON and of a listing of stored runs."""
    config = Config(**values)
    texts = {name: spelled(value) for name, value in configs.canonical(config).items()}
    assert configs.replace(Config(), configs.read(Config(), texts)) == config
    assert configs.replace(Config(), json.loads(configs.canonical_text(config))) == config


def other_clothes(config: Config) -> dict[str, object]:
    """The same values as other Python types: whole floats as integers, tuples as lists, NumPy's numbers."""
    return {
        "epsilon": int(config.epsilon) if config.epsilon.is_integer() else np.float64(config.epsilon),
        "steps": np.int64(config.steps) if abs(config.steps) < 2**63 else config.steps,
        "decay": np.bool_(config.decay),
        "etas": [int(eta) if eta.is_integer() else eta for eta in config.etas],
        "box": list(config.box),
        "limit": config.limit if config.limit is None else np.float64(config.limit),
        "seed": np.int8(config.seed),
    }


@given(_ANY)
def test_equal_configs_have_one_key_in_any_clothes(values: dict) -> None:
    config = Config(**values)
    assert key("coins", configs.replace(config, other_clothes(config)), "1") == key("coins", config, "1")


def keys_of(draws: int) -> tuple[int, int]:
    """How many different configs, and how many different keys, come of so many draws from a small neighbourhood:
    neighbouring floats, ends of tuples moved from one field to the next, text that looks like another field's."""
    draw = random.Random(0)
    seen: dict[Config, str] = {}
    for _ in range(draws):
        eta = draw.choice([0.0, 0.1, 1.0, 1e-300])
        for _ in range(draw.randrange(3)):
            eta = math.nextafter(eta, draw.choice([2.0, -2.0]))
        config = Config(
            epsilon=abs(eta) or 5e-324,
            steps=draw.randrange(12),
            decay=draw.random() < 0.5,
            etas=tuple(draw.choice([0.1, 0.3, eta]) for _ in range(draw.randrange(4))),
            box=(draw.randrange(3), draw.randrange(3)),
            limit=draw.choice([None, 0.0, eta]),
            label=draw.choice(["", "none", "0.1", '"', "0.1,0.3", "\\"]),
            seeds=draw.randrange(1, 12),
        )
        seen[config] = key("coins", config, "1")
        assert key("coins", replace(config), "1") == seen[config]
    return len(seen), len(set(seen.values()))


@pytest.mark.parametrize("draws", [3_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_different_configs_never_share_a_key(draws: int) -> None:
    different, keys = keys_of(draws)
    assert different > 0.9 * draws
    assert keys == different


def test_a_shorter_key_would_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    monkeypatch.setitem(globals(), "key", lambda *named: key_of(*named)[:4])
    different, keys = keys_of(3_000)
    assert keys < different
