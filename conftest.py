"""Runs every Python snippet of the README and of docs/ as a test (Sybil), in a folder of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

# A shell in the background ignores Ctrl-C and nohup a hangup, and children inherit that; tests send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine is no fault of the code: no example has a deadline.
settings.register_profile("nls", deadline=None)
settings.load_profile("nls")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in and a home for runs, apart from the user's."""
    folder = tmp_path_factory.mktemp("snippets")
    before, home = Path.cwd(), os.environ.get("NLS_HOME")
    os.environ["NLS_HOME"] = str(folder / "home")
    os.chdir(folder)
    yield folder
    os.chdir(before)
    os.environ.pop("NLS_HOME")
    if home is not None:
        os.environ["NLS_HOME"] = home


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "providers/*/README.md"],
    fixtures=["workplace"],
).pytest()
