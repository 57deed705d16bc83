from __future__ import annotations

from pathlib import Path

import pytest

from nls_sdk.worker.files import whole_folder


def test_the_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with whole_folder(target) as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").write_text("x")
        assert not target.exists()
    assert (target / "a" / "b").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_error_leaves_nothing_and_keeps_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("x")
    with pytest.raises(IsADirectoryError), whole_folder(target) as folder:
        folder.write_text("not a file")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in target.iterdir()] == ["old"]


def test_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / ".model.part"
    left.mkdir()
    (left / "half").write_text("x")
    with whole_folder(tmp_path / "model") as folder:
        (folder / "new").write_text("y")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]
