"""The command that a person tries an endpoint with."""

from __future__ import annotations

import json
import shlex

from ..events import Ready
from ..prompt import CHAT_TEMPLATE_KWARGS, prompt
from .app import App


def curl(app: App, ready: Ready, name: str, *, has_key: bool) -> str:
    """A command that asks a run's endpoint one question, for any shell; the key is not in it."""
    body = {
        "model": ready.model,
        "messages": prompt("find Python files with async functions", system=app.settings.system_prompt),
        "max_tokens": 64,
        "temperature": 0,
        "chat_template_kwargs": CHAT_TEMPLATE_KWARGS,
    }
    words = ["curl", "-s", f"{ready.url}/chat/completions", "-H", "Content-Type: application/json"]
    line = f"{shlex.join(words)} -d {shlex.quote(json.dumps(body))}"
    if not has_key:
        return line
    return f'{line} -H "Authorization: Bearer $({app.command("key", "--run-name", name)})"'
