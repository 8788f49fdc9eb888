"""`slipway validate` and `slipway schema`, as people and scripts use them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.definition import json_schema
from tests.unit.test_definition import JOB, MODEL, a_folder

REPORT = MODEL.replace(
    '{path: "landing/flights/{period:%Y-%m}/", complete: {marker: _SUCCESS}}', "{from: flight-delay/scores}"
)


def run(*arguments: str) -> tuple[int, str]:
    """Run the command line; returns its exit code and what it prints."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two models, the second of which reads the first's output."""
    a_folder(tmp_path / "models")
    a_folder(tmp_path / "models", REPORT, name="delay-report")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "models"


def test_all_models_of_the_repository_are_checked() -> None:
    """Without arguments."""
    assert run("validate") == (0, "delay-report, flight-delay: no problems\n")


@pytest.mark.parametrize("path", ["models/delay-report", "models/delay-report/model.yaml", "delay-report"])
def test_one_model_is_checked_beside_its_neighbours(path: str) -> None:
    """It is not right by itself alone: its producer must be there."""
    assert run("validate", path) == (0, "delay-report: no problems\n")


def test_a_model_is_checked_from_its_own_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is the folder's, wherever one stands."""
    monkeypatch.chdir(repository / "delay-report")

    assert run("validate", ".") == (0, "delay-report: no problems\n")


def test_each_problem_is_a_line_that_editors_understand(repository: Path) -> None:
    """File, line, rule, remedy; exit code 1."""
    (repository / "flight-delay" / "model.yaml").write_text(
        MODEL.replace("timezone: America/New_York", "timezone: Mars")
    )
    (repository / "delay-report" / "model.yaml").write_text(
        REPORT.replace("flight-delay/scores", "flight-delay/scores/x")
    )

    code, output = run("validate")

    assert code == 1
    assert output.splitlines() == [
        "models/delay-report/model.yaml:9: from must name a model and its output. Write <model>/<output>.",
        "models/flight-delay/model.yaml:5: 'Mars' is no time zone. Write an IANA name, such as America/New_York.",
    ]


def test_problems_between_models_are_told_where_they_can_be_mended(repository: Path) -> None:
    """A consumer whose output is gone; the producer itself is right."""
    (repository / "delay-report" / "model.yaml").write_text(REPORT.replace("flight-delay/scores", "flight-delay/plots"))

    code, output = run("validate")

    assert (code, output) == (
        1,
        "models/delay-report/model.yaml:9: flight-delay has no output plots. Write one of scores.\n",
    )
    assert run("validate", "flight-delay")[0] == 0


def test_a_broken_neighbour_is_its_own_concern(repository: Path) -> None:
    """Whoever checks one model is told of that one."""
    (repository / "flight-delay" / "job.yaml").write_text(JOB.replace("command: python", "command: 3 #"))

    assert run("validate", "delay-report")[0] == 0
    assert run("validate", "flight-delay")[0] == 1


def test_scripts_get_json(repository: Path) -> None:
    """The same facts in fields."""
    (repository / "flight-delay" / "model.yaml").write_text(MODEL.replace("owner:", "ownr:"))

    code, output = run("validate", "--json", "flight-delay")

    assert code == 1
    assert json.loads(output)["problems"][-1] == {
        "file": "models/flight-delay/model.yaml",
        "line": 2,
        "rule": "'ownr' is no field here",
        "remedy": "remove it, or write `owner`",
    }
    assert json.loads(run("validate", "--json", "delay-report")[1]) == {"problems": []}


def test_a_path_without_models_is_a_problem() -> None:
    """Not a success over nothing."""
    assert run("validate", "nowhere") == (1, "nowhere:1: no model is here. Write one into <model>/model.yaml.\n")


def test_the_schema_is_printed() -> None:
    """For an editor's settings."""
    code, output = run("schema")

    assert code == 0
    assert json.loads(output) == json_schema()
