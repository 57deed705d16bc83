"""The documents that are made from the code say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_readme_tree_names_every_file() -> None:
    tree = subprocess.run(
        [sys.executable, ROOT / "docs/tree.py"], capture_output=True, text=True, check=True
    ).stdout
    assert "  endpoint.py" in tree
    assert tree in (ROOT / "README.md").read_text("utf-8"), "run: python docs/tree.py --write"


def test_every_link_of_the_documents_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("providers/*/README.md")]
    links = [
        (page, target.partition("#")[0])
        for page in pages
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
        if not target.startswith(("http", "#"))
    ]
    assert len(links) > 5
    assert [(page.name, target) for page, target in links if not (page.parent / target).exists()] == []
