"""A report in the forms that others read: one HTML file, JUnit XML, Markdown."""

from __future__ import annotations
