import hashlib
from pathlib import Path

import pytest

from nls_sdk.artifacts import Artifact, artifact_of, fingerprint, hash_file
from nls_sdk.errors import ArtifactError


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * 3_000_000)
    assert hash_file(file) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert fingerprint(file) == (hash_file(file), 3_000_000)


def make(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    return folder


def test_a_folder_is_known_by_names_and_bytes_alone(tmp_path: Path) -> None:
    one = make(tmp_path / "one", ["a", "sub/b"])
    two = make(tmp_path / "elsewhere" / "two", ["sub/b", "a"])
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one)[1] == len("content of a") + len("content of sub/b")


def test_any_change_in_a_folder_changes_its_digest(tmp_path: Path) -> None:
    digest, _ = fingerprint(make(tmp_path / "f", ["a", "sub/b"]))
    (tmp_path / "f/a").rename(tmp_path / "f/c")
    renamed, _ = fingerprint(tmp_path / "f")
    (tmp_path / "f/c").rename(tmp_path / "f/a")
    (tmp_path / "f/a").write_text("other")
    edited, _ = fingerprint(tmp_path / "f")
    assert len({digest, renamed, edited}) == 3


def test_a_linked_folder_counts_as_what_it_points_to(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain", ["a", "sub/b"])
    linked = make(tmp_path / "linked", ["a"])
    (linked / "sub").symlink_to(plain / "sub", target_is_directory=True)
    assert fingerprint(linked) == fingerprint(plain)


def test_a_link_into_its_own_folder_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path / "f", ["sub/b"])
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    with pytest.raises(ArtifactError, match="sub/up"):
        fingerprint(folder)


def test_what_is_stored_is_found_by_its_content(tmp_path: Path) -> None:
    folder = make(tmp_path / "f", ["a", "sub/b"])
    digest, size = fingerprint(folder)
    assert artifact_of(folder) == Artifact(f"artifacts/{digest}", digest, size)
    (tmp_path / "empty").write_bytes(b"")
    assert artifact_of(tmp_path / "empty").size == 0


def test_nothing_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "hollow" / "deep").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="hollow: the folder holds no file"):
        artifact_of(tmp_path / "hollow")
    with pytest.raises(ArtifactError, match="nowhere: no such"):
        artifact_of(tmp_path / "nowhere")
