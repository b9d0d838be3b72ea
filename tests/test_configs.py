"""Configs: reading text, refusing slips in one line, and one canonical text for equal configs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biassay import configs
from biassay.errors import UserError


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
