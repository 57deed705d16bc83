"""The chat template with thinking off by default: a server that is told nothing renders what was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..prompt import CHAT_TEMPLATE_KWARGS


def bake_defaults(template: str, defaults: Mapping[str, bool] = CHAT_TEMPLATE_KWARGS) -> str:
    """Give a chat template's variables a default, which whoever renders it can still override.

    Args:
        template: A Jinja chat template as transformers renders it.
        defaults: The variables and their values; one that the template does not mention is left out.

    Returns:
        The template; the same when there is nothing to add or it was added before.
    """
    for name, value in defaults.items():
        # transformers drops the line end after a block, so the template itself starts as it did.
        head = f"{{% if {name} is not defined %}}{{% set {name} = {json.dumps(value)} %}}{{% endif %}}\n"
        if name in template and not template.startswith(head):
            template = head + template
    return template


def bake_tokenizer(tokenizer: Any) -> None:
    """Bake the defaults into every chat template of a tokenizer, in place."""
    templates = tokenizer.chat_template
    if isinstance(templates, Mapping):
        tokenizer.chat_template = {name: bake_defaults(text) for name, text in templates.items()}
    elif templates is not None:
        tokenizer.chat_template = bake_defaults(templates)
