"""What of a model's folder is released, and its version."""

import os
from pathlib import Path

import pytest

from slipway.content import content_version, released_files
from slipway.problems import DefinitionError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with what such folders hold."""
    for name in (
        "model.yaml",
        "src/train.py",
        "src/tests/data.py",
        "src/__pycache__/train.cpython-311.pyc",
        ".venv/x",
        ".gitignore",
        "tests/test_train.py",
        "conda.yaml",
    ):
        path = tmp_path / "flight-delay" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "flight-delay"


def test_code_and_settings_are_released_and_nothing_else(folder: Path) -> None:
    """No caches, nothing hidden, no tests at the top."""
    assert released_files(folder) == ["conda.yaml", "model.yaml", "src/tests/data.py", "src/train.py"]


def test_the_version_follows_from_released_content_alone(folder: Path) -> None:
    """Same content, same version, whatever lies beside it and whenever it was written."""
    before = content_version(folder)
    (folder / "tests/more.py").write_text("x")
    os.utime(folder / "model.yaml", (0, 0))

    assert content_version(folder) == before
    assert len(before) == 12


def test_any_released_byte_or_name_changes_it(folder: Path) -> None:
    """Also when bytes only move from a name to a content."""
    before = content_version(folder)
    (folder / "src/train.py").write_text("changed")
    changed = content_version(folder)
    (folder / "src/train.py").rename(folder / "src/fit.py")

    assert len({before, changed, content_version(folder)}) == 3


def test_links_and_special_files_are_refused(folder: Path) -> None:
    """T14: a link means something else on another machine."""
    (folder / "src/link.py").symlink_to("/etc/passwd")
    with pytest.raises(DefinitionError, match="symbolic links"):
        content_version(folder)
    (folder / "src/link.py").unlink()

    os.mkfifo(folder / "src/pipe")
    with pytest.raises(DefinitionError, match="neither a file nor a folder"):
        content_version(folder)


def test_names_that_the_lake_would_refuse_are_refused_here(folder: Path) -> None:
    """Before anything is uploaded."""
    (folder / "a\\b.py").write_text("x")

    with pytest.raises(DefinitionError, match="back-slash"):
        content_version(folder)


def test_a_folder_that_holds_data_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both by number and by size."""
    monkeypatch.setattr("slipway.content.MOST_BYTES", 10)
    with pytest.raises(DefinitionError, match="is larger than"):
        content_version(folder)
    monkeypatch.setattr("slipway.content.MOST_FILES", 3)
    with pytest.raises(DefinitionError, match="more than 3 files"):
        content_version(folder)
