"""The report as JUnit XML: the targets as one suite, the questions as another, so that CI shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from ..misses import classify, difference
from ..results import Row

if TYPE_CHECKING:
    from ..report import Report

_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def junit(report: Report) -> str:
    """Write a report as JUnit XML.

    A target that is missed and a question that is answered wrongly are failures; a request that failed is an
    error. Characters that XML cannot hold become U+FFFD.
    """
    root = Element("testsuites", name="nls-finetune eval")
    targets = SubElement(root, "testsuite", name="targets")
    for line in report.lines:
        case = SubElement(targets, "testcase", classname="targets", name=line.metric)
        if not line.passed:
            _child(case, "failure", f"{line.model}, target {line.target}", "")
    questions = SubElement(root, "testsuite", name="questions")
    for row in report.model.rows:
        _question(questions, row)
    for suite in (targets, questions):
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("errors", str(len(suite.findall("testcase/error"))))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _question(suite: Element, row: Row) -> None:
    name = f"line {row.line}: {row.question}" if row.line is not None else row.question
    case = SubElement(suite, "testcase", classname="questions", name=_clean(name))
    if row.seconds is not None:
        case.set("time", f"{row.seconds:.6f}")
    if row.failed:
        _child(case, "error", row.error or "", "")
    elif not row.right:
        changes = difference(row.expected, row.actual)
        shown = f"\n{changes}" if changes is not None else ""
        ways = ", ".join(classify(row)) or "not right"
        _child(case, "failure", ways, f"expected: {row.expected}\nactual:   {row.actual}{shown}")


def _child(case: Element, kind: str, message: str, text: str) -> None:
    SubElement(case, kind, message=_clean(message)).text = _clean(text)


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
