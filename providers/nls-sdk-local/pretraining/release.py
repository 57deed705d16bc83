"""Copies a pretrained model into the package and writes the hashes of its files.

python release.py OUT ../src/nls_sdk_local/tiny_base
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "pretraining_log.jsonl",
)


def main() -> None:
    """Copies and hashes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("package", type=Path)
    args = parser.parse_args()
    args.package.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(args.model / name, args.package / name)
    config = json.loads((args.package / "tokenizer_config.json").read_text(encoding="utf-8"))
    config = {k: v for k, v in config.items() if k not in ("is_local", "local_files_only")}
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # known to older transformers as well
    text = json.dumps(config, indent=2) + "\n"
    (args.package / "tokenizer_config.json").write_text(text, encoding="utf-8")
    sums = {name: hashlib.sha256((args.package / name).read_bytes()).hexdigest() for name in FILES}
    (args.package / "SHA256SUMS.json").write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
