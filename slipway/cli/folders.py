"""The models of a repository: folders below `models/`, found, read and checked all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from slipway.definition import Definition, load
from slipway.dependencies import check_together
from slipway.problems import DefinitionError, Problem

#: A folder with one of these is a model's.
FILES = ("model.yaml", "job.yaml")


def read(root: Path, names: Sequence[str]) -> list[Definition]:
    """Read the named models below `root`, or all of them.

    Raises:
        DefinitionError: Every problem of every one of them, each with its file and line.
    """
    definitions, problems = _read(root / name for name in dict.fromkeys(names)) if names else _read(find([root]))
    if problems:
        raise DefinitionError(problems)
    return definitions


def find(paths: Iterable[Path]) -> list[Path]:
    """The models' folders that these paths name, each once, below the working directory relative to it.

    A path is a model's folder, one of its two files, a folder of models, or the name of a model below `models`.

    Raises:
        DefinitionError: A path names no model.
    """
    found: dict[Path, None] = {}
    for path in paths:
        folder = path.parent if path.name in FILES else path
        if not folder.is_dir() and (Path("models") / folder).is_dir():
            folder = Path("models") / folder
        named = [folder] if _is_model(folder) else _models_in(folder)
        if not named:
            raise DefinitionError([Problem(str(path), 1, "no model is here", "write one into <model>/model.yaml")])
        found |= {_shown(one): None for one in named}
    return list(found)


def beside(chosen: Iterable[Path]) -> list[Path]:
    """These models' folders, and those of all models that lie beside them."""
    near = [_shown(one) for folder in chosen for one in _models_in(folder.resolve().parent)]
    return list(dict.fromkeys([*chosen, *near]))


def problems_with(folders: Iterable[Path]) -> list[Problem]:
    """Every problem of these models, each by itself and all together."""
    folders = list(folders)
    definitions, problems = _read(folders)
    unreadable = {folder.name for folder in folders} - {definition.name for definition in definitions}
    return [*problems, *check_together(definitions, unreadable=unreadable)]


def _read(folders: Iterable[Path]) -> tuple[list[Definition], list[Problem]]:
    definitions: list[Definition] = []
    problems: list[Problem] = []
    for folder in folders:
        try:
            definitions.append(load(folder))
        except DefinitionError as error:
            problems += error.problems
    return definitions, problems


def _models_in(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if _is_model(one)) if folder.is_dir() else []


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES)


def _shown(folder: Path) -> Path:
    folder, here = folder.resolve(), Path.cwd()
    return folder.relative_to(here) if folder != here and folder.is_relative_to(here) else folder
