"""The artifact store: content, damage, and disks that are full."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nls_sdk.errors import ArtifactError
from nls_sdk_local.store import pull, push


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(os.urandom(2_000_000))
    return folder


def test_the_second_push_copies_nothing(tmp_path: Path, model: Path) -> None:
    first = push(tmp_path, model)
    stored = tmp_path / first.path / "weights"
    before = stored.stat()
    assert push(tmp_path, shutil.copytree(model, tmp_path / "copy")) == first
    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_links_are_stored_as_what_they_point_to(tmp_path: Path, model: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "weights").symlink_to(model / "weights")
    artifact = push(tmp_path, snapshot)
    assert artifact == push(tmp_path, model)
    assert not (tmp_path / artifact.path / "weights").is_symlink()


def test_damaged_bytes_are_not_handed_out(tmp_path: Path, model: Path) -> None:
    artifact = push(tmp_path, model)
    with (tmp_path / artifact.path / "weights").open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(ArtifactError, match="damaged"):
        pull(tmp_path, artifact, tmp_path / "to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifacts", "model"]


def test_what_is_not_there_cannot_be_pushed(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        push(tmp_path, tmp_path / "nothing")


def test_a_full_disk_is_told_before_anything_is_copied(tmp_path: Path, model: Path, small_disk: Path) -> None:
    with pytest.raises(ArtifactError, match=r"small.*full: 2,000,000 bytes needed, [\d,]+ free") as caught:
        push(small_disk, model)
    assert "NLS_HOME" in caught.value.hint
    artifact = push(tmp_path, model)
    with pytest.raises(ArtifactError, match="full"):
        pull(tmp_path, artifact, small_disk / "to")
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_a_disk_that_fills_up_meanwhile_is_told(
    model: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: roomy)
    with pytest.raises(ArtifactError, match="full"):
        push(small_disk, model)
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []
