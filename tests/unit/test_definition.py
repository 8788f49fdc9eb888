"""A model's folder, read and checked: every error names file, line, rule and remedy (CF-1)."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from slipway.definition import Definition, DefinitionError, json_schema, load
from slipway.listing import Folder
from slipway.period import Cadence, Period
from tests.unit.builders import a_definition, a_document

MODEL = """\
description: How late will each flight out of New York arrive?
owner: airline-operations
readers: [airline-analysts, planning]
cadence: monthly
timezone: America/New_York
first_period: 2013-01
due: {day: 3, at: "09:00"}
inputs:
  flights: {path: "landing/flights/{period:%Y-%m}/", complete: {marker: _SUCCESS}}
  weather: {path: "landing/w/{period:%Y/%m/%d}/", cadence: daily, periods: {from: -30, to: 0}, complete: {files: 1}}
  planes:  {path: landing/planes/, cadence: static, complete: {quiet: 30m}}
outputs:
  scores:  {must_have: ["*.parquet"]}
on_new_data: run
"""
JOB = """\
type: command
command: python a.py ${{inputs.flights}} ${{inputs.weather}} ${{ inputs.planes }} ${{inputs.trees}} ${{outputs.scores}}
code: ./src
environment: {image: "python:3.11", conda_file: conda.yaml}
compute: azureml:cpu-cluster
inputs:
  flights: {type: uri_folder}
  weather: {type: uri_folder, mode: ro_mount}
  planes: {type: uri_folder, path: "azureml://datastores/x/paths/y"}
  trees: 100
outputs:
  scores: {type: uri_folder}
limits: {timeout: 3600}
"""


def a_folder(root: Path, model: str = MODEL, job: str = JOB, name: str = "flight-delay") -> Path:
    """Write a model's folder."""
    folder = root / name
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("print()")
    (folder / "conda.yaml").write_text("dependencies: []")
    (folder / "model.yaml").write_text(model)
    (folder / "job.yaml").write_text(job)
    return folder


def problems_of(folder: Path) -> list[str]:
    """The problems of a folder, without the way to it."""
    with pytest.raises(DefinitionError) as caught:
        load(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_a_definition_is_read_whole(tmp_path: Path) -> None:
    """The example of the documentation."""
    definition = load(a_folder(tmp_path))

    assert (definition.name, definition.cadence, str(definition.first)) == ("flight-delay", Cadence.MONTHLY, "2013-01")
    assert definition.input_cadence("weather") is Cadence.DAILY
    assert definition.input_cadence("planes") is None
    template = definition.template("flights")
    assert template is not None
    assert template.folder(definition.first) == Folder("landing", "flights/2013-01")
    assert definition.inputs["planes"].complete is not None
    assert definition.inputs["planes"].complete.quiet == timedelta(minutes=30)
    assert definition.job["limits"] == {"timeout": 3600}


def test_what_is_left_out_has_a_stated_default(tmp_path: Path) -> None:
    """Limits, on_new_data, the zone, the last period."""
    definition = load(a_folder(tmp_path, MODEL.replace("timezone: America/New_York\n", "")))

    assert str(definition.zone) == "UTC"
    assert definition.last is None
    assert (definition.on_new_data, definition.limits.attempts, definition.limits.files) == ("run", 3, 200_000)
    assert (definition.limits.queued, definition.limits.preparing) == (timedelta(hours=2), timedelta(hours=1))


def test_a_definition_travels_as_plain_json(tmp_path: Path) -> None:
    """The catalog keeps it."""
    definition = load(a_folder(tmp_path))

    stored = json.loads(json.dumps(definition.to_document()))

    assert Definition.from_document(stored).to_document() == definition.to_document()
    assert stored["inputs"]["weather"]["periods"] == {"from": -30, "to": 0}
    assert stored["limits"]["queued"] == "2h"


def test_a_damaged_document_is_refused() -> None:
    """T13: the catalog too is read as untrusted."""
    with pytest.raises(DefinitionError):
        Definition.from_document(a_document(version="../x"))
    with pytest.raises(DefinitionError):
        Definition.from_document(a_document(name="../x"))
    with pytest.raises(DefinitionError):
        Definition.from_document(a_document(cadence="yearly"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("readers: [", "reader: [", "model.yaml:3: 'reader' is no field here. Remove it, or write `readers`."),
        ("owner: airline-operations\n", "", "model.yaml:1: `owner` is required. Add `owner:`."),
        ("owner: airline-operations", "owner: Airline Ops", "model.yaml:2: 'Airline Ops' is not allowed here."),
        ("[airline-analysts, planning]", "[airline-analysts, Plan/ning]", "model.yaml:3: 'Plan/ning' is not allowed"),
        ("[airline-analysts, planning]", "[planning, planning]", "model.yaml:3: a reader is named twice"),
        ("[airline-analysts, planning]", str([f"r{n}" for n in range(13)]), "model.yaml:3: "),
        (
            "cadence: monthly\n",
            "cadence: yearly\n",
            "model.yaml:4: 'yearly' is none of the values allowed here. Write one",
        ),
        ("America/New_York", "America/Springfield", "model.yaml:5: 'America/Springfield' is no time zone"),
        ("America/New_York", "../../etc/passwd", "model.yaml:5: '../../etc/passwd' is no time zone"),
        ("first_period: 2013-01", "first_period: 2013-13", "model.yaml:6: '2013-13' does not exist in the calendar"),
        ("first_period: 2013-01", "first_period: 2013", "model.yaml:6: '2013' is not a text. Write a text, in quotes"),
        (
            "first_period: 2013-01",
            "first_period: 2013-01\nlast_period: 2012-12",
            "model.yaml:7: the last period lies before",
        ),
        ("{day: 3,", "{day: 0,", "model.yaml:7: "),
        ('at: "09:00"', 'at: "9:00"', "model.yaml:7: '9:00' is not allowed here"),
        (
            '{day: 3, at: "09:00"}',
            "{after: 45m}",
            "model.yaml:7: a monthly model's due says day and at, or business_day, at and calendar. Write {day: 1",
        ),
        (
            '{day: 3, at: "09:00"}',
            '{business_day: 3, at: "09:00"}',
            "model.yaml:7: a monthly model's due says day and at, or business_day, at and calendar. Write {day: 1",
        ),
        (
            '{day: 3, at: "09:00"}',
            '{business_day: 3, at: "09:00", calendar: US-ZZ}',
            "model.yaml:7: the holidays library knows no calendar US-ZZ. Write a country such as US",
        ),
        (
            '{day: 3, at: "09:00"}',
            '{business_day: 3, at: "09:00", calendar: Narnia}',
            "model.yaml:7: 'Narnia' is not allowed here. Write a text that matches",
        ),
        (
            "{period:%Y-%m}",
            "{period:%Y}",
            "model.yaml:9: a monthly period cannot be read back from %Y. Write {period:%Y-%m}",
        ),
        (
            "complete: {marker: _SUCCESS}",
            "optional: true",
            "model.yaml:9: an input with a path must say when it is complete",
        ),
        ("{marker: _SUCCESS}", "{marker: _SUCCESS, files: 2}", "model.yaml:9: complete needs exactly one of"),
        ("{marker: _SUCCESS}", "{}", "model.yaml:9: complete needs exactly one of"),
        ("{marker: _SUCCESS}", "{marker: a/b}", "model.yaml:9: 'a/b' is not allowed here"),
        ("cadence: daily", "cadence: static", "model.yaml:10: "),
        ("{from: -30, to: 0}", "{from: 1, to: 0}", "model.yaml:10: a window runs from the earlier period to the later"),
        ("{from: -30, to: 0}", "{from: -99999}", "model.yaml:10: "),
        ("{from: -30, to: 0}", "all", "model.yaml:10: 'all' is none of the values allowed here. Write one of 'within'"),
        ("{from: -30, to: 0}", "{form: -30}", "model.yaml:10: 'form' is no field here. Remove it, or write `from`"),
        (
            "periods: {from: -30, to: 0}",
            "periods: {from: -30, to: 0}, max_age: 2",
            "model.yaml:10: max_age goes with a single",
        ),
        ("cadence: static", "cadence: static, periods: within", "model.yaml:11: a static input has no periods"),
        (
            "landing/planes/, cadence: static",
            "landing/planes/",
            "model.yaml:11: a monthly dataset needs {period:…} in its path",
        ),
        ("quiet: 30m", "quiet: 30 minutes", "model.yaml:11: this is not a duration. Write a number and a unit"),
        ("quiet: 30m", "quiet: 0m", "model.yaml:11: this is not a duration"),
        ("path: landing/planes/,", "path: landing/planes/, from: a/b,", "model.yaml:11: an input needs exactly one of"),
        ("  scores:", "  Scores:", "model.yaml:13: 'Scores' is not allowed here"),
        ('["*.parquet"]', '["/etc/*"]', "model.yaml:13: '/etc/*' is not allowed here"),
        ('["*.parquet"]', '["*a*b*c*d"]', "model.yaml:13: a pattern holds at most three *"),
        ("on_new_data: run", "on_new_data: maybe", "model.yaml:14: 'maybe' is none of the values allowed here"),
        ("on_new_data: run", "limits: {attempts: 99}", "model.yaml:14: "),
        ("on_new_data: run", "name: flight-delay", "model.yaml:14: 'name' is no field here"),
        (
            "on_new_data: run",
            "metrics: scores",
            "model.yaml:14: metrics must name one JSON file of an output, and 'scores' does not. Write <output>/<file>",
        ),
        ("on_new_data: run", "metrics: scores/m.csv", "model.yaml:14: metrics must name one JSON file of an output"),
        ("on_new_data: run", "metrics: scores/*.json", "model.yaml:14: metrics must name one JSON file of an output"),
        (
            "on_new_data: run",
            "metrics: scores/../m.json",
            "model.yaml:14: metrics must name one JSON file of an output",
        ),
        ("on_new_data: run", "metrics: scores//m.json", "model.yaml:14: metrics must name one JSON file of an output"),
        ("on_new_data: run", "metrics: [m.json]", "model.yaml:14: \"['m.json']\" is not a text"),
        (
            "on_new_data: run",
            "metrics: flights/m.json",
            "model.yaml:14: 'flights' is no output of this model. Write scores/m.json",
        ),
        ("on_new_data: run", "corrections: 3y", "model.yaml:14: this is not a duration"),
        (
            "on_new_data: run",
            "on_new_data: run\non_new_data: run",
            "model.yaml:15: the key 'on_new_data' stands here a second",
        ),
    ],
)
def test_each_error_in_model_yaml_has_its_line_rule_and_remedy(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """One wrong thing, one precise problem."""
    assert old in MODEL

    problems = problems_of(a_folder(tmp_path, MODEL.replace(old, new, 1)))

    assert len(problems) == 1
    assert problems[0].startswith(expected)
    assert problems[0].endswith(".")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("type: command", "type: pipeline", "job.yaml:1: a 'pipeline' job is not run. Write `type: command`"),
        ("type: command", "name: mine", "job.yaml:1: a run gives its job the name. Remove it"),
        ("command: python", "cmd: python", "job.yaml:1: `command` is required"),
        ("${{inputs.flights}}", "${{inputs.fligths}}", "job.yaml:2: the command names '${{inputs.fligths}}', which"),
        ("${{outputs.scores}}", "${{outputs.score}}", "job.yaml:2: the command names '${{outputs.score}}', which"),
        (
            "${{inputs.trees}}",
            "${{search_space.trees}}",
            "job.yaml:2: the command names '${{search_space.trees}}', which",
        ),
        ("code: ./src", "code: ../other", "job.yaml:3: '../other' is no released folder of the model"),
        ("code: ./src", "code: /etc", "job.yaml:3: '/etc' is no released folder"),
        ("code: ./src", "code: missing", "job.yaml:3: 'missing' is no released folder"),
        ("code: ./src", "code: tests", "job.yaml:3: 'tests' is no released folder"),
        (
            "conda_file: conda.yaml",
            "conda_file: other.yaml",
            "job.yaml:4: 'other.yaml' is no released file of the model",
        ),
        ("conda_file: conda.yaml", "conda_file: ../../x.yaml", "job.yaml:4: '../../x.yaml' is no released file"),
        (
            '{image: "python:3.11", conda_file: conda.yaml}',
            "env@latest",
            "job.yaml:4: 'env@latest' is no environment with a version",
        ),
        (
            '{image: "python:3.11", conda_file: conda.yaml}',
            "azureml:env",
            "job.yaml:4: 'azureml:env' is no environment with",
        ),
        ('environment: {image: "python:3.11", conda_file: conda.yaml}\n', "", "job.yaml:1: `environment` is required"),
        ("compute: azureml:cpu-cluster\n", "", "job.yaml:1: the job does not say where it runs"),
        ("  weather: {type: uri_folder, mode: ro_mount}\n", "  weather: 3\n", "job.yaml:8: `weather` must be a folder"),
        (
            "planes: {type: uri_folder",
            "planes: {type: mltable",
            "job.yaml:9: `planes` must be a folder. Write {type: uri_folder}",
        ),
        ("trees: 100", "trees: {type: uri_folder}", "job.yaml:10: the input 'trees' is not in model.yaml. Declare it"),
        ('{image: "python:3.11", conda_file: conda.yaml}', "{conda_file: conda.yaml}", "job.yaml:4: `environment` is"),
        ('image: "python:3.11"', "image: 3.11", "job.yaml:4: an image is a text"),
        (
            "conda_file: conda.yaml",
            "conda_file: [conda.yaml]",
            "job.yaml:4: conda_file is a file's name or its content",
        ),
        ("conda_file: conda.yaml", "build: {path: docker}", "job.yaml:4: build needs a `path`, a released folder"),
        ("conda_file: conda.yaml", "build: docker", "job.yaml:4: build needs a `path`, a released folder"),
        ("trees: 100", "trees: [1]", "job.yaml:10: `trees` is neither a folder nor a plain value"),
        (
            "  scores: {type: uri_folder}",
            "  scores: {type: uri_folder}\n  plot: {type: uri_folder}",
            "job.yaml:13: the output 'plot' is not in model.yaml",
        ),
        ("limits: {timeout: 3600}\n", "", "job.yaml:1: `limits.timeout` is required"),
        ("limits: {timeout: 3600}", "limits: {timeout: 0}", "job.yaml:13: `limits.timeout` is required"),
        ("limits: {timeout: 3600}", "limits: {timeout: true}", "job.yaml:13: `limits.timeout` is required"),
        ("limits: {timeout: 3600}", "limits: 3600", "job.yaml:13: `limits.timeout` is required"),
    ],
)
def test_each_error_in_job_yaml_has_its_line_rule_and_remedy(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """What Slipway relies on; the rest is Azure ML's to judge."""
    assert old in JOB

    problems = problems_of(a_folder(tmp_path, job=JOB.replace(old, new, 1)))

    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_inputs_and_outputs_have_the_same_names_in_both_files(tmp_path: Path) -> None:
    """A dataset that the job does not read is a mistake, not a wish."""
    job = JOB.replace("  weather: {type: uri_folder, mode: ro_mount}\n", "").replace("${{inputs.weather}}", "")

    assert problems_of(a_folder(tmp_path, job=job)) == [
        "job.yaml:6: model.yaml has the input `weather`, job.yaml has not. Add it to `inputs`."
    ]


@pytest.mark.parametrize(
    "environment", ["azureml:env:3", "env:3", "azureml://registries/r/environments/env/versions/3"]
)
def test_an_environment_may_be_a_reference_with_a_version(tmp_path: Path, environment: str) -> None:
    """T19: pinned."""
    job = JOB.replace('{image: "python:3.11", conda_file: conda.yaml}', environment)

    assert load(a_folder(tmp_path, job=job)).job["environment"] == environment


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "3"])
def test_files_that_are_no_mappings_are_refused(tmp_path: Path, text: str) -> None:
    """With a word on what they should be."""
    problems = problems_of(a_folder(tmp_path, text, text))

    assert problems[0] == (
        "job.yaml:1: job.yaml must be a mapping. Write a command job, such as `az ml job create` takes."
    )
    assert problems[1].startswith("model.yaml:1: ")
    assert problems[1].endswith("is not a mapping of fields. Write `field: value` lines below it.")


def test_names_of_plain_inputs_follow_the_same_grammar(tmp_path: Path) -> None:
    """They too stand in the command."""
    job = JOB.replace("trees: 100", "Trees: 100").replace("${{inputs.trees}}", "${{inputs.Trees}}")

    assert problems_of(a_folder(tmp_path, job=job)) == [
        "job.yaml:10: 'Trees' is no name of an input. It must match [a-z][a-z0-9_]{0,39}."
    ]


def test_code_may_be_the_models_folder_itself(tmp_path: Path) -> None:
    """For a model of one file."""
    assert load(a_folder(tmp_path, job=JOB.replace("code: ./src", "code: ."))).job["code"] == "."


def test_all_problems_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    """Nobody mends a file ten times."""
    model = MODEL.replace("owner: air", "ovner: air").replace("30m", "30")
    folder = a_folder(tmp_path, model, JOB.replace("limits", "limit"), name="Flight--Delay")

    problems = problems_of(folder)

    assert [problem.split(": ")[0].rpartition("/")[2] for problem in problems] == [
        "Flight--Delay:1",
        "job.yaml:1",
        "model.yaml:1",
        "model.yaml:2",
        "model.yaml:11",
    ]


def test_missing_files_are_problems_of_their_own(tmp_path: Path) -> None:
    """A folder without definition is told what it lacks."""
    (tmp_path / "flight-delay").mkdir()

    assert problems_of(tmp_path / "flight-delay") == [
        "job.yaml:1: the file cannot be read: No such file or directory. Create it.",
        "model.yaml:1: the file cannot be read: No such file or directory. Create it.",
    ]


@pytest.mark.parametrize(
    ("input_", "expected"),
    [
        ({"from": "weather-daily"}, "from must name a model and its output"),
        ({"from": "Weather/hours"}, "from must name a model and its output"),
        (
            {"from": "weather-daily/hours", "complete": {"files": 1}},
            "a published output is complete when it is published",
        ),
        ({"from": "weather-daily/hours", "cadence": "static"}, "a model's outputs are never static"),
        (
            {"from": "a/b", "cadence": "quarterly", "periods": "within"},
            "quarterly periods do not end within every monthly one",
        ),
        ({"from": "a/b", "optional": True, "max_age": 2}, "an input is either optional or has a max_age"),
    ],
)
def test_rules_of_inputs_from_other_models(input_: dict[str, Any], expected: str) -> None:
    """`from` in place of `path`."""
    with pytest.raises(DefinitionError, match=expected):
        a_definition(inputs={"other": input_})


def test_an_hourly_model_is_due_after_a_time() -> None:
    """It has no day of its own."""
    inputs = {"e": {"path": "landing/e/{period:%Y/%m/%d/%H}/", "complete": {"files": 1}}}

    hourly = a_definition(cadence="hourly", first_period="2013-01-01T00Z", inputs=inputs, due={"after": "45m"})

    assert hourly.due is not None
    assert hourly.due.after == timedelta(minutes=45)
    with pytest.raises(DefinitionError, match="hourly model's due says after"):
        a_definition(cadence="hourly", first_period="2013-01-01T00Z", inputs=inputs, due={"day": 1, "at": "09:00"})


def test_a_model_has_the_periods_from_its_first_to_its_last() -> None:
    """Both included, of its own cadence."""
    definition = a_definition(first_period="2013-01", last_period="2013-12")

    assert [
        definition.has(Period.parse(text)) for text in ("2012-12", "2013-01", "2013-12", "2014-01", "2013-01-01")
    ] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_the_committed_schema_is_the_models() -> None:
    """Editors complete model.yaml from it; `python -m slipway.cli schema` prints it."""
    committed = Path(__file__).parents[2] / "slipway" / "schemas" / "model.schema.json"

    assert json.loads(committed.read_text()) == json_schema()
