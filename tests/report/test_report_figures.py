"""One figure as data, two renderings: complete, equal in what they show, readable in grey."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib import colors

from biassay.figures import Bars, Field, Figure, Line, Panel, Points
from biassay.report import save_figure, to_matplotlib, to_plotly
from biassay.report._axes import limits, place
from biassay.report._style import LOOKS, theme_pairs


def panel(*series, **parts) -> Panel:
    return Panel(**({"title": "t", "xlabel": "x", "ylabel": "y"} | parts), series=series)


def lightness(colour: str) -> float:
    """CIE L* of an sRGB colour."""
    rgb = np.array(colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16 if y > 0.008856 else 903.3 * y


def test_files_are_whole_and_equal_for_equal_figures(figures: tuple[Figure, ...], tmp_path: Path) -> None:
    for figure in figures:
        png, svg = save_figure(figure, tmp_path / "a")
        assert (png.name, svg.name) == (f"{figure.name}.png", f"{figure.name}.svg")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(svg).getroot().tag.endswith("svg")
        assert svg.read_bytes() == save_figure(figure, tmp_path / "b")[1].read_bytes()
        assert b"dc:date" not in svg.read_bytes()
    assert len(list((tmp_path / "a").iterdir())) == 2 * len(figures)


def test_a_failed_drawing_leaves_the_old_file(
    figures: tuple[Figure, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png, _ = save_figure(figures[0], tmp_path)
    before = png.read_bytes()

    def broken(self, file, **_) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figures[0], tmp_path)
    assert png.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_plotly_accepts_every_panel_and_json_has_no_nan(figures: tuple[Figure, ...]) -> None:
    for figure in figures:
        plots = to_plotly(figure)
        assert len(plots) == len(figure.panels)
        for plot in plots:
            go.Figure(json.loads(json.dumps(plot, allow_nan=False)))


def test_every_colour_of_plotly_has_a_dark_counterpart(figures: tuple[Figure, ...]) -> None:
    light = {pair[0] for pair in theme_pairs()} | {"white", "rgba(0,0,0,0)"}

    def colours(node: object) -> set[str]:
        if isinstance(node, dict):
            inner = set().union(*(colours(value) for value in node.values())) if node else set()
            return inner | {v for k, v in node.items() if k.endswith("color") and isinstance(v, str)}
        return set().union(*(colours(item) for item in node)) if isinstance(node, list) else set()

    used = set().union(*(colours(plot) for figure in figures for plot in to_plotly(figure)))
    assert len(used) > 10
    assert used <= light


def test_roles_differ_in_lightness_line_and_marker() -> None:
    looks = list(LOOKS.values())
    for part in ("dash", "symbol", "hatch"):
        kinds = [(getattr(look, part), look.hollow) for look in looks]
        assert len(set(kinds)) == len(kinds), part
    for theme in ("light", "dark"):
        levels = sorted(lightness(getattr(look.colour, theme)) for look in looks)
        assert min(b - a for a, b in itertools.pairwise(levels)) > 5, theme


def test_a_gap_stays_a_gap() -> None:
    line = Line([0, 1, 2, 3, 4], [1, 2, np.nan, 4, np.inf], low=[0, 1, np.nan, 3, 4], high=[2, 3, np.nan, 5, 6])
    band, curve = to_plotly(Figure(name="f", title="", caption="", panels=(panel(line),)))[0]["data"]
    assert curve["y"] == [1, 2, None, 4, None]
    assert band["x"].count(None) == 2
    assert band["x"][:4] == [0, 1, 1, 0]


def test_a_log_axis_leaves_out_what_it_cannot_show() -> None:
    points = Points([1, 2, 3], [1e-3, 0.0, -1.0], low=[0.0, 0, 0], high=[1e-2, 1, 1])
    one = panel(points, yscale="log", xscale="log", region=(0.0, 1e-5))
    low, high = limits(one)
    assert 0 < low < 1e-5 < 1e-2 < high
    plot = to_plotly(Figure(name="f", title="", caption="", panels=(one,)))[0]
    assert plot["data"][0]["y"] == [1e-3, None, None]
    assert plot["layout"]["yaxis"]["range"] == pytest.approx([math.log10(low), math.log10(high)])


def test_values_apart_by_rounding_alone_have_room_around_them() -> None:
    for values in ([1.0, 1 + 2e-16], [0.0, 0.0], [-3.0, -3.0]):
        low, high = limits(panel(Line([0, 1], values)))
        assert high - low >= 0.1 * abs(values[0])
        assert low < min(values) <= max(values) < high
    low, high = limits(panel(Line([0, 1], [1.0, 1 + 1e-9])))
    assert high - low < 1e-8
    to_matplotlib(Figure(name="f", title="", caption="", panels=(panel(Field([0.0, 1], [2.0], [[1.0, 2]])),)))


@pytest.mark.parametrize("region", [(-math.inf, 0.5), (0.5, math.inf), (-math.inf, math.inf), (0.2, 0.2)])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_region_is_shaded_up_to_its_ends(region: tuple[float, float], scale: str) -> None:
    figure = Figure(
        name="f", title="", caption="", panels=(panel(Line([0, 1], [0.1, 1]), region=region, yscale=scale),)
    )
    shade = to_plotly(figure)[0]["layout"]["shapes"][0]
    low, high = limits(figure.panels[0])
    assert max(shade["y0"], low) == pytest.approx(max(region[0], low))
    assert min(shade["y1"], high) == pytest.approx(min(region[1], high))
    axes = to_matplotlib(figure).axes[0]
    assert axes.get_ylim() == pytest.approx((low, high))
    span = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (span.y0, span.y1) == pytest.approx((max(region[0], low), min(region[1], high)))


def test_without_a_region_nothing_is_shaded() -> None:
    figure = Figure(name="f", title="", caption="", panels=(panel(Line([0, 1], [0.1, 1])),))
    assert to_plotly(figure)[0]["layout"]["shapes"] == []
    assert not to_matplotlib(figure).axes[0].patches


def test_bars_of_a_category_stand_side_by_side() -> None:
    placed = list(place(panel(Bars(("a", "b"), (1, 2)), Bars(("b", "c"), (1, 2)), Points(("c",), (1,)))))
    assert placed[0].x == pytest.approx([-0.2, 0.8])
    assert placed[1].x == pytest.approx([1.2, 2.2])
    assert placed[2].x == pytest.approx([2])
    assert placed[0].x[1] + placed[0].width <= placed[1].x[0] + 1e-12


def test_both_renderings_show_the_same_heat_map_and_levels() -> None:
    x, y = np.linspace(0, 1, 5), np.linspace(0, 2, 7)
    field = Field(x, y, np.add.outer(y, x), "z", contours=(0.5, 1.5, 99.0))
    figure = Figure(name="f", title="", caption="", panels=(panel(field, equal_aspect=True),))
    heat, *levels = to_plotly(figure)[0]["data"]
    assert np.asarray(heat["z"]).shape == (7, 5)
    assert [level["contours"]["start"] for level in levels] == [0.5, 1.5, 99.0]
    axes = to_matplotlib(figure).axes[0]
    assert axes.collections[0].get_array().shape == (7, 5)
    assert list(axes.collections[1].levels) == [0.5, 1.5]


def test_a_dollar_is_a_dollar(tmp_path: Path) -> None:
    cost = Figure(name="f", title="$5 to $6", caption="", panels=(panel(Line([0, 1], [0, 1], "$a_$")),))
    save_figure(cost, tmp_path)
    assert "$" not in to_plotly(cost)[0]["data"][0]["name"]


def test_a_panel_with_no_finite_value_is_drawn(tmp_path: Path) -> None:
    empty = panel(Line([0, 1], [np.nan, np.nan], "diverged"), yscale="log", xscale="log", region=(0, 1))
    figure = Figure(name="f", title="", caption="", panels=(empty, panel(xscale="log")))
    save_figure(figure, tmp_path)
    json.dumps(to_plotly(figure), allow_nan=False)
