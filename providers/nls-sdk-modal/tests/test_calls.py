"""Stopping for good, also where Modal forgets what it was told to stop."""

from __future__ import annotations

from pathlib import Path

import modal
import pytest
from loopback.client import Loopback
from places import make_provider
from test_endpoints import model

from nls_sdk_modal import calls


@pytest.mark.usefixtures("quick_worker")
def test_a_function_that_modal_has_forgotten_has_no_containers(loopback: Loopback, tmp_path: Path) -> None:
    provider = make_provider()
    model(provider, tmp_path).deploy(detached=True)
    app = provider.options.serve_app
    loopback.faults({"rpc": "FunctionGetCurrentStats", "kind": "gone", "times": 100})
    provider.cancel("quick.serve")
    assert provider.runs()[0].state == "cancelled"
    assert loopback.containers(app=app) == []
    assert app not in calls.live_apps("").values()
    with pytest.raises(modal.exception.NotFoundError):
        modal.App.lookup(app)
