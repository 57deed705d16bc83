"""The HTML report in a headless Chromium: nothing evil runs, and everything can be used."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.evil import EVIL, evil_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make browser`")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed, so no page was opened")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evil_report(200).to_html(tmp_path_factory.mktemp("report") / "report.html", title=EVIL[0])


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    opened = browser.new_page()
    told: list[str] = []
    asked: list[str] = []
    opened.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("console", lambda message: told.append(message.text))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    opened.wait_for_selector("html[data-ready]")
    yield opened
    assert told == []
    assert asked == [file.as_uri()], "the page asks the network for nothing"
    assert "owned" not in opened.title().replace(EVIL[0], "")
    opened.close()


def shown(page: Any) -> list[str]:
    return list(page.locator("#rows .open").all_inner_texts())


def test_evil_text_is_shown_and_not_run(page: Any) -> None:
    assert shown(page)[0] == f"{EVIL[0]} 0"
    assert page.locator("h1").inner_text().count("<script>") == 2
    for place in range(0, 17, 4):
        page.locator("#rows .open").nth(place).click()
    detail = page.locator(".detail").first.inner_text()
    assert EVIL[0] in detail
    assert EVIL[1] in detail, "metadata"
    assert page.locator("#rows script, #rows img").count() == 0
    assert page.locator("script").count() == 2
    page.fill("#search", "no answer")
    assert page.locator("main img").count() == 0


def test_search_filter_and_pages(page: Any) -> None:
    assert page.inner_text("#count") == "200 of 200 examples"
    assert (len(shown(page)), page.inner_text("#page")) == (50, "Page 1 of 4")
    page.click("#after")
    assert page.inner_text("#page") == "Page 2 of 4"
    page.fill("#search", "NEEDLE in go 7")
    sync_api.expect(page.locator("#count")).to_contain_text("9 of")
    assert shown(page) == [f"find needle in go {i}" for i in (7, 70, 71, 73, 74, 75, 77, 78, 79)]
    page.fill("#search", "")
    page.select_option("#by-verdict", "failed")
    assert shown(page) == [f"find needle in go {i}" for i in (49, 99, 149, 199)]
    page.select_option("#by-verdict", "")
    page.select_option("#by-class", "refused")
    assert 0 < len(shown(page)) < 50
    assert page.inner_text("#count").startswith(f"{len(shown(page))} of 200")


def test_sort(page: Any) -> None:
    page.click("[data-sort='0']")
    assert shown(page)[0].endswith(" 199")
    assert page.get_attribute("th:has([data-sort='0'])", "aria-sort") == "descending"
    page.click("[data-sort='4']")
    times = [int(text) for text in page.locator("#rows td.n").all_inner_texts()]
    assert times == sorted(times)
    assert page.locator("[aria-sort]").count() == 1


def test_all_of_it_works_from_the_keyboard(page: Any) -> None:
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("go 1")
    sync_api.expect(page.locator("#count")).not_to_contain_text("200 of 200")
    page.locator("#rows .open").first.focus()
    page.keyboard.press("Enter")
    assert page.get_attribute("#rows .open >> nth=0", "aria-expanded") == "true"
    assert "Expected" in page.inner_text(".detail")
    page.keyboard.press("Space")
    assert page.get_attribute("#rows .open >> nth=0", "aria-expanded") == "false"
    assert page.locator(".detail").count() == 0


def test_a_class_leads_to_its_examples(page: Any) -> None:
    name = page.locator("[data-class]").first.inner_text()
    page.locator("[data-class]").first.click()
    assert page.input_value("#by-class") == name
    assert not page.inner_text("#count").startswith("200 ")


def test_everything_has_a_name(page: Any) -> None:
    assert page.locator("html").get_attribute("lang") == "en"
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, select, svg, meter')].filter(node =>
        !(node.textContent.trim() || node.getAttribute('aria-label') || node.closest('label'))).length"""
    )
    assert nameless == 0
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3')].map(node => Number(node.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


CONTRAST = """() => {
  const light = (node, name) => {
    const c = getComputedStyle(node)[name].match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  };
  const clear = node => /rgba\\(.*, 0\\)|transparent/.test(getComputedStyle(node).backgroundColor);
  const ground = node => {
    while (node && clear(node)) node = node.parentElement;
    return node || document.body;
  };
  const texts = ['body', '.sub', '.hint', '.badge', '.q', '.q b', '.card p', 'thead button', 'dt'];
  return Math.min(...texts.flatMap(s => [...document.querySelectorAll(s)].slice(0, 60)).map(node => {
    const pair = [light(node, 'color'), light(ground(node), 'backgroundColor')];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  }));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(browser: Any, file: Path, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.locator("#rows .open").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # WCAG's contrast of 4.5 for text, of the page's own colours in this scheme.
    worst = page.evaluate(CONTRAST)
    assert worst >= 4.5
    page.close()


def test_ten_thousand_examples_open_within_two_seconds(browser: Any, tmp_path: Path) -> None:
    file = evil_report(10_000).to_html(tmp_path / "report.html")
    assert file.stat().st_size <= 8_000_000
    seconds = []
    for _ in range(3):
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.fill("#search", "go 999")
        sync_api.expect(page.locator("#count")).not_to_contain_text("10000 of")
        seconds.append(time.perf_counter() - start)
        page.close()
    assert min(seconds) <= 2
