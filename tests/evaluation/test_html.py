"""The HTML report as text: escaped, whole, and of one file; `browser/` opens it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser.evil import EVIL, evil_report

from nls_sdk.errors import EvaluationError
from nls_sdk.evaluation.report import Report
from nls_sdk.events import Progress


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    training = [Progress(step=i, total=30, loss=2.0 / i, learning_rate=1e-4) for i in range(1, 31)]
    path = tmp_path_factory.mktemp("report") / "report.html"
    evil_report(60).to_html(path, training=training, provenance={"Commit": EVIL[0]}, title=EVIL[1])
    return path.read_text("utf-8")


def test_nothing_that_was_said_is_markup(text: str) -> None:
    page = Elements(text)
    assert [tag for tag, _ in page.found].count("script") == 2
    assert "img" not in {tag for tag, _ in page.found}
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]
    assert text.count("</script>") == 2
    assert EVIL[0] not in text
    assert "{{ 7 * 7 }}" in text


def test_the_page_is_one_file(text: str) -> None:
    for tag, attributes in Elements(text).found:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not attributes.get("src")
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for t, a in Elements(text).found if a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_the_data_are_all_there(text: str) -> None:
    data = json.loads(Elements(text).scripts[0])
    assert len(data["rows"]) == 60
    assert data["rows"][0][1] == f"{EVIL[0]} 0"
    assert data["rows"][49][5] == "failed"
    assert data["paired"] is True


def test_charts_say_what_they_show(text: str) -> None:
    labels = [attributes.get("aria-label") or "" for tag, attributes in Elements(text).found if tag == "svg"]
    assert [label.split(":")[0].split(" over")[0] for label in labels] == [
        "Syntax Valid",
        "Semantic Match",
        "Requests answered within so many milliseconds. A<script>document.title='owned'</script>",
        "Loss",
        "Learning rate",
    ]


def test_a_report_without_baseline_times_or_training(tmp_path: Path) -> None:
    from attrs import evolve

    model = evil_report(10).model
    bare = evolve(model, rows=tuple(evolve(row, seconds=None) for row in model.rows))
    text = Report.of(bare).to_html(tmp_path / "report.html").read_text("utf-8")
    assert text.count("<svg") == 2
    with pytest.raises(EvaluationError, match="cannot be written"):
        Report.of(bare).to_html(tmp_path / "report.html" / "x.html")


def test_a_text_that_is_too_long_is_cut(tmp_path: Path) -> None:
    from attrs import evolve

    model = evil_report(3).model
    long = evolve(model, rows=(evolve(model.rows[0], actual="x" * 900_000), *model.rows[1:]))
    path = Report.of(long).to_html(tmp_path / "report.html")
    assert path.stat().st_size < 100_000
    assert "(900,000 characters)" in path.read_text("utf-8")
