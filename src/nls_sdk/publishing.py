"""Taking a merged model out: its card, and its way to the model hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeAlias

from .errors import ConfigError, ProviderUnavailable
from .prompt import CHAT_TEMPLATE_KWARGS

Precision: TypeAlias = Literal["auto", "fp8"]

_CARD = """---
{base_line}library_name: transformers
pipeline_tag: text-generation
tags: [sourcegraph, code-search{tags}]
---

# {name}

Turns plain English into a [Sourcegraph](https://sourcegraph.com/docs/code-search/queries) search query.
Fine-tuned from {base}; the adapter is merged into the weights.{note}

Serve it with vLLM:

```bash
vllm serve FOLDER --served-model-name llm
```

and ask with the system message that it was trained with, at temperature 0:

```json
{{"messages": [{{"role": "system", "content": {system}}},
              {{"role": "user", "content": "Find Python files"}}]}}
```

The chat template has {kwargs} as its default: the model was trained so.
"""


def card(name: str, base: str | None, system: str, precision: Precision) -> str:
    """The model card, in the hub's Markdown.

    Args:
        name: The run's name.
        base: The base model's hub id; None for one that the hub does not have.
        system: The system message that it was trained with.
        precision: What its weights are held in.
    """
    return _CARD.format(
        name=name,
        base=f"`{base}`" if base else "a base model that is not on the hub",
        base_line=f"base_model: {base}\n" if base else "",
        system=json.dumps(system, ensure_ascii=False),
        tags=", fp8" if precision == "fp8" else "",
        note=" Its layers' weights are in FP8, one scale a matrix." if precision == "fp8" else "",
        kwargs=", ".join(f"`{key}={json.dumps(value)}`" for key, value in CHAT_TEMPLATE_KWARGS.items()),
    )


def push_to_hub(folder: Path, repo: str, *, token: str | None = None, private: bool = True) -> str:
    """Upload a folder to a model repository, which is made where there is none. Returns its URL.

    Args:
        folder: A model's folder.
        repo: The repository's id, `OWNER/NAME`.
        token: A token that may write; otherwise HF_TOKEN, or what `hf auth login` left.
        private: Whether a repository that is made is private.

    Raises:
        ConfigError: huggingface_hub is not installed, or the hub refuses the token or the repository.
        ProviderUnavailable: The hub did not answer; what was uploaded is not uploaded again.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise ConfigError(
            "Pushing to the hub needs huggingface_hub.", hint="pip install 'nls-sdk[hub]'"
        ) from None
    api = HfApi(token=token, library_name="nls-sdk")
    try:
        url = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="A merged model")
        return str(url)
    except HFValidationError as error:
        raise ConfigError(
            f"{repo!r} is no repository's id: {error}", hint="It looks like OWNER/NAME."
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status >= 500 or status == 429:
            raise ProviderUnavailable(f"The hub answered {status} to {repo}.") from None
        raise ConfigError(
            f"The hub refuses {repo} ({status}).", hint="Is the token one that may write there? Set HF_TOKEN."
        ) from None
    except Exception as error:
        # Its HTTP library, and so the errors, change with its version.
        if not isinstance(error, OSError) and not type(error).__module__.startswith(("http", "requests")):
            raise
        raise ProviderUnavailable(f"The hub cannot be reached: {type(error).__name__}.") from None
