"""What all commands have in common: examples that are right, JSON, an environment, and changes a reason."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from slipway.cli import PANELS, app, backfills
from slipway.cli.changes import asked_reason
from slipway.cli.examples import EXAMPLES
from slipway.cli.exits import Asked

#: All commands by name; those of a group as `group command`.
TOP: Any = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - a group's, which typer does not type
COMMANDS: Any = {
    name: command
    for top, one in TOP.items()
    for name, command in (
        {f"{top} {inner}": two for inner, two in getattr(one, "commands", {}).items()} or {top: one}
    ).items()
}
CHANGES = {*PANELS["Change"], *(f"backfill {name}" for name in ("plan", "start", "pause", "resume", "cancel"))}
ASKING = sorted({*PANELS["Look"], *CHANGES, *(f"backfill {name}" for name in backfills.COMMANDS)})


def test_every_command_over_the_api_has_an_example() -> None:
    """And no other has one: those are documented elsewhere."""
    assert sorted(EXAMPLES) == ASKING


@pytest.mark.parametrize("example", [one for examples in EXAMPLES.values() for one in examples])
def test_an_example_is_understood_by_the_command_line(example: str) -> None:
    """It names the command, and arguments and options that it has."""
    program, *words = shlex.split(example)
    name = " ".join(words[: 2 if words[0] == "backfill" else 1])
    arguments = words[name.count(" ") + 1 :]

    assert program == "slipway"
    assert example in EXAMPLES[name]
    COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize("name", ASKING)
def test_every_command_over_the_api_has_json_and_an_environment(name: str) -> None:
    """And a change a reason and a key."""
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}

    assert {"--json", "--env"} <= options
    assert ({"--reason", "--key"} <= options) == (name in CHANGES)
    assert EXAMPLES[name][0] in CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "150"}).output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["status", "--env", "prod"], "no environment is called 'prod'"),
        (["cancel", "a"], "a change needs a reason"),
        (["show", ".."], "'..' is no name"),
        (["open", "shop/"], "'' is no name"),
        (["show"], "Missing argument"),
    ],
)
def test_wrong_use_is_told_without_asking_anybody(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "150"})

    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert result.stdout == ""


def test_a_broken_file_of_environments_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, whichever environment was meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "environments.yaml").write_text("prod:\n  url: http://example.net\n  audience: api://x\n")

    result = CliRunner().invoke(app, ["status"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "environments.yaml:2: tokens are sent over https only, and over http to this machine." in result.stderr


def test_the_page_on_the_command_line_lists_its_commands_and_exit_codes() -> None:
    """All of them, and no others."""
    page = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `slipway ([a-z]+(?<=backfill) [a-z]+|[a-z-]+)", page, re.MULTILINE) == list(COMMANDS)
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == [str(int(code)) for code in Asked]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_on_a_terminal_the_reason_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the name of the environment that is about to be changed; results alone go to stdout."""
    monkeypatch.setattr("sys.stdin", Terminal("wrong release \n"))

    assert asked_reason("prod") == "wrong release"
    assert capsys.readouterr() == ("", "Why (prod)? ")
    with pytest.raises(typer.BadParameter, match="a change needs a reason"):
        asked_reason("prod")


def test_the_environment_may_stand_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a shell that is about one of them."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["status"], env={"COLUMNS": "150", "SLIPWAY_ENV": "staging"})

    assert (result.exit_code, "'staging'" in result.stderr) == (2, True)
