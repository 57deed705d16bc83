"""Writes the README's file tree: every Python file with the first sentence of its docstring.

python docs/tree.py          # print it
python docs/tree.py --write  # put it into README.md
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from textwrap import shorten

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PARTS = {
    "src/nls_sdk": "the SDK; each room imports only those below it in pyproject.toml's list",
    "providers/nls-sdk-local/src/nls_sdk_local": "this machine as a provider",
    "providers/nls-sdk-local/pretraining": "how the tiny base model was made",
    "providers/nls-sdk-openai/src/nls_sdk_openai": "a baseline",
    "examples": "scripts to start from",
    "benchmarks": "every figure in the docs has its command here",
}
COLUMN, LONGEST = 27, 92
_BLOCK = re.compile(r"(<!-- tree -->\n```text\n).*?(```\n<!-- end of tree -->)", re.S)


def tree() -> str:
    """The tree, a line a file."""
    lines = []
    for part, purpose in PARTS.items():
        lines.append(f"{part}/  {purpose}")
        files = sorted(
            (ROOT / part).rglob("*.py"), key=lambda file: (len(file.relative_to(ROOT / part).parts), file)
        )
        folder = Path()
        for file in files:
            place = file.relative_to(ROOT / part)
            if place.parent != folder:
                folder = place.parent
                lines.append(f"  {folder}/")
            sentence = first_sentence(file)
            if sentence:
                indent = "    " if folder.parts else "  "
                lines.append(f"{indent + place.name:{COLUMN}}{shorten(sentence, LONGEST, placeholder=' …')}")
    return "\n".join(lines) + "\n"


def first_sentence(file: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return re.split(r"\.(?:\s|$)", text.partition("\n\n")[0].replace("\n", " "))[0]


def main() -> None:
    """Print the tree, or write it."""
    if sys.argv[1:] == ["--write"]:
        README.write_text(
            _BLOCK.sub(lambda found: found[1] + tree() + found[2], README.read_text("utf-8")), "utf-8"
        )
    else:
        print(tree(), end="")


if __name__ == "__main__":
    main()
