"""The site: complete, escaped, whole files, and in a browser quiet, drawn, dark when asked and as wide as the phone."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from biassay import configs
from biassay.report import write_site
from biassay.report._interval import picture
from biassay.report._pages import file_name, rerun_command

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, result: Any, other: Any, bibtex: dict[str, str]) -> Path:
    return write_site(tmp_path_factory.mktemp("site"), [result, other], bibtex).parent


class Elements(HTMLParser):
    """The elements of a page as (tag, attributes), and the ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.found if name in attrs]


def test_the_first_page_has_every_claim_of_every_assay(site: Path, result: Any, other: Any) -> None:
    page = (site / "index.html").read_text()
    elements = Elements(page)
    rows = [attrs for tag, attrs in elements.found if tag == "tr" and "data-outcome" in attrs]
    verdicts = [*result.verdicts, *other.verdicts]
    assert [row["data-outcome"] for row in rows] == [verdict.outcome for verdict in verdicts]
    for verdict in verdicts:
        assert verdict.says in page
    assert {"rank-jumps.html", "min-norm.html"} <= set(elements.values("href"))
    assert page.count("recorded at review: <b>holds</b>") == sum(not verdict.as_recorded for verdict in verdicts) == 1
    assert "1 diverged" in page


def test_an_assay_page_has_all_that_is_known_of_the_run(site: Path, result: Any) -> None:
    page = (site / "rank-jumps.html").read_text()
    for verdict in result.verdicts:
        assert verdict.reason in page
        assert verdict.control_says in page
    assert page.count('<svg class="interval"') == len(result.verdicts)
    assert page.count("<math") == 9
    assert "Zihan Wang; Arthur Jacot. Implicit bias of SGD in L2-regularized" in page
    assert 'id="paper-unknown2020"' in page
    assert "jax 0.10.2, numpy 2.4.1" in page
    assert "biassay run rank-jumps --profile quick --set epsilon=0.5 --set steps=0.3,0.4" in page
    assert page.count("changed from the profile") == 2
    assert "read from the store" not in page
    assert "read from the store" in (site / "min-norm.html").read_text()


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {path.name: Elements(path.read_text()) for path in site.glob("*.html")}
    for name, elements in pages.items():
        ids = elements.values("id")
        assert len(set(ids)) == len(ids)
        for link in elements.values("href") + elements.values("src"):
            if link.startswith("data:"):
                continue
            file, _, anchor = link.partition("#")
            assert (site / (file or name)).is_file(), link
            assert not anchor or anchor in pages[file or name].values("id"), link
        assert all(attrs.get("alt") for tag, attrs in elements.found if tag == "img")


def test_pages_name_no_other_machine(site: Path) -> None:
    for path in [*site.glob("*.html"), site / "assets/site.css", site / "assets/site.js"]:
        text = path.read_text().replace("http://www.w3.org/1998/Math/MathML", "")
        assert not re.findall(r"https?://|//[a-z]+\.", text), path.name


def test_the_command_rebuilds_the_config(result: Any) -> None:
    words = shlex.split(rerun_command(replace(result, config=replace(result.config, seeds=8))))
    assert words[:5] == ["biassay", "run", "rank-jumps", "--profile", "quick"]
    assert words[words.index("--seeds") + 1] == "8"
    settings = dict(configs.split(words[i + 1]) for i, word in enumerate(words) if word == "--set")
    rebuilt = replace(result.assay.profiles["quick"], **configs.read(result.assay.profiles["quick"], settings))
    assert rebuilt == result.config


def test_markup_in_words_stays_words(hostile: Any, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    index = write_site(tmp_path, [hostile], {attack: f"@misc{{{attack}, title = {{{attack}}}, year = 2020}}"})
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) == 2
    for page in pages:
        text = page.read_text()
        assert attack not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert not [v for v in Elements(text).values("src") if "example.org" in v]
        scripts = [attrs for tag, attrs in Elements(text).found if tag == "script"]
        assert all(attrs.get("src", "").startswith("assets/") or attrs.get("type") for attrs in scripts)
    assert index.parent == tmp_path
    assert all(tmp_path in path.parents for path in tmp_path.rglob("*"))


def test_file_names_are_safe_and_distinct() -> None:
    names = ["rank-jumps", "a b", "a-b", "a/b", "../a", "index", "", "<", ">", ".hidden", "x" * 300]
    files = [file_name(name) for name in names]
    assert files[0] == "rank-jumps"
    assert len(set(files)) == len(files)
    assert all(re.fullmatch(r"[A-Za-z0-9][\w.-]*", file) and len(file) <= 81 for file in files)
    assert "index" not in files


def test_stopped_midway_every_file_is_whole(
    site: Path, tmp_path: Path, result: Any, bibtex: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    write = Path.write_text

    def stop(self: Path, text: str, **kinds: Any) -> int:
        if self.suffix == ".html":
            write(self, text[: len(text) // 2], **kinds)
            raise KeyboardInterrupt
        return write(self, text, **kinds)

    monkeypatch.setattr(Path, "write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        write_site(copy, [result], bibtex)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_no_result_is_a_site_too(tmp_path: Path) -> None:
    assert "No assay has been run yet." in write_site(tmp_path / "new" / "folder", [], {}).read_text()


@pytest.mark.parametrize(
    ("value", "interval", "region", "control"),
    [
        (0.5, (0.4, 0.6), (-math.inf, math.inf), 0.1),
        (0.0, (0.0, 0.0), (0.0, 0.0), 0.0),
        (math.nan, (math.nan, math.nan), (0.0, 1.0), math.nan),
        (1e-300, (-math.inf, math.inf), (1e-3, math.inf), -1e300),
        (-5.0, (-6.0, -4.0), (-math.inf, -1.0), 2000.0),
    ],
)
def test_the_picture_of_any_verdict_stays_in_its_frame(
    result: Any, value: float, interval: tuple[float, float], region: tuple[float, float], control: float
) -> None:
    verdict = replace(result.verdicts[0], value=value, interval=interval, region=region, control=control)
    svg = picture(verdict)
    assert "nan" not in svg
    assert "inf" not in svg
    xs = [float(x) for x in re.findall(r'(?:\bc?x="|[MH])(-?[\d.]+)', svg)]
    assert xs
    assert all(0 <= x <= 440 for x in xs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


class Visit:
    """A page opened in an empty profile, with all that it asked for and complained of."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: Any = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        if self.page.query_selector(".plot"):
            self.page.wait_for_selector("html.drawn", timeout=60_000)

    @property
    def outside(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def brightness(self, selector: str, style: str) -> float:
        colour = self.page.eval_on_selector(selector, f"e => getComputedStyle(e).{style}")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (390, "dark"),
        *(pytest.param(*page, marks=pytest.mark.nightly) for page in [(1280, "dark"), (390, "light")]),
    ],
)
def test_pages_are_quiet_and_as_wide_as_the_screen(browser: Browser, site: Path, scheme: str, width: int) -> None:
    for name in ("index.html", "rank-jumps.html"):
        visit = Visit(browser, site / name, width, scheme)
        assert visit.outside == []
        assert visit.complaints == []
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        paper, ink = visit.brightness("body", "backgroundColor"), visit.brightness("body", "color")
        assert (paper < 0.2 and ink > 0.7) if scheme == "dark" else (paper > 0.9 and ink < 0.3)


def test_a_request_to_the_outside_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "loud.html"
    page.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("loud"); throw Error("x")</script>')
    visit = Visit(browser, page)
    visit.page.wait_for_load_state("networkidle")
    assert visit.outside == ["http://127.0.0.1:9/x.png"]
    assert len(visit.complaints) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_panel_is_drawn_in_the_theme(browser: Browser, site: Path, figures: Any, scheme: str) -> None:
    visit = Visit(browser, site / "rank-jumps.html", scheme=scheme)
    panels = sum(len(figure.panels) for figure in figures)
    assert len(visit.page.query_selector_all(".plot")) == panels
    drawn = visit.page.eval_on_selector_all(
        ".plot", "boxes => boxes.map(b => b.querySelectorAll('svg.main-svg').length)"
    )
    assert len(drawn) == panels
    assert all(drawn)
    assert visit.page.eval_on_selector_all(".plot .scatterlayer .trace", "traces => traces.length") >= 15
    ink = visit.brightness(".plot .xtick text", "fill")
    assert ink > 0.7 if scheme == "dark" else ink < 0.3


def test_the_theme_follows_the_reader(browser: Browser, site: Path) -> None:
    visit = Visit(browser, site / "rank-jumps.html")
    before = visit.brightness(".plot .xtick text", "fill")
    visit.page.emulate_media(color_scheme="dark")
    visit.page.wait_for_function("getComputedStyle(document.querySelector('.plot .xtick text')).fill.includes('229')")
    assert visit.brightness(".plot .xtick text", "fill") > before + 0.4
    assert visit.complaints == []


def test_markup_in_words_runs_nothing(browser: Browser, hostile: Any, tmp_path: Path) -> None:
    index = write_site(tmp_path, [hostile], {})
    for path in tmp_path.glob("*.html"):
        alerts: list[str] = []
        visit = Visit(browser, path)
        visit.page.on("dialog", lambda dialog, alerts=alerts: alerts.append(dialog.message))
        visit.page.reload()
        assert "<script>alert(1)</script>" in visit.page.inner_text("body")
        assert (visit.outside, visit.complaints, alerts) == ([], [], [])
    assert index.is_file()


def test_on_paper_the_figures_are_pictures_on_white(browser: Browser, site: Path) -> None:
    visit = Visit(browser, site / "rank-jumps.html", scheme="dark")
    assert not visit.page.is_visible("img.static")
    visit.page.emulate_media(media="print")
    assert visit.page.is_visible("img.static")
    assert not visit.page.is_visible(".plot")
    assert visit.brightness("body", "color") < 0.3
    loaded = visit.page.eval_on_selector_all(
        "img.static", "images => images.map(i => i.complete && i.naturalWidth > 0)"
    )
    assert loaded == [True, True]


def test_claims_are_filtered_by_keyboard(browser: Browser, site: Path, result: Any) -> None:
    visit = Visit(browser, site / "index.html")
    shown = "document.querySelectorAll('tr[data-outcome]:not([hidden])').length"
    everything = visit.page.evaluate(shown)
    visit.page.focus('button[data-outcome="fails"]')
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate(shown) == sum(v.outcome == "fails" for v in result.verdicts) < everything
    assert not visit.page.is_visible("text=Gradient methods from zero find")
    assert visit.page.get_attribute('button[data-outcome="fails"]', "aria-pressed") == "true"
