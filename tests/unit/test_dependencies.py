"""Definitions side by side: producers, cadences, circles, names, filesystems."""

from typing import Any

from slipway.definition import Definition
from slipway.dependencies import check_together, downstream
from tests.unit.builders import a_definition


def a_model(name: str, *producers: str, **fields: Any) -> Definition:
    """Build a model that reads what these models publish, or lands data of its own if there is none."""
    inputs: dict[str, Any] = {f"in_{n}": {"from": f"{producer}/scores"} for n, producer in enumerate(producers)}
    return a_definition(name=name, **({"inputs": inputs} if inputs else {}), **fields)


def rules(*definitions: Definition, **arguments: Any) -> list[str]:
    """The broken rules between these definitions."""
    return [problem.rule for problem in check_together(definitions, **arguments)]


def test_a_chain_of_models_is_right() -> None:
    """Each reads what the one before publishes."""
    assert rules(a_model("a"), a_model("b", "a"), a_model("c", "a", "b")) == []


def test_a_producer_must_exist_and_have_the_output() -> None:
    """With a remedy that names what there is."""
    report = a_definition(name="report", inputs={"x": {"from": "a/plots"}, "y": {"from": "z/scores"}})

    problems = check_together([a_model("a"), report])

    assert [problem.rule for problem in problems] == ["a has no output plots", "there is no model z"]
    assert problems[0].remedy == "write one of scores"


def test_of_a_model_that_cannot_be_read_nothing_is_claimed() -> None:
    """Its own problems are told elsewhere."""
    assert rules(a_model("report", "broken"), unreadable={"broken"}) == []


def test_an_output_arrives_as_often_as_its_model_runs() -> None:
    """A declared cadence must agree, and where none is declared the model's own must."""
    inputs = {"w": {"path": "landing/w/{period:%Y/%m/%d}/", "complete": {"files": 1}}}
    daily = a_definition(name="daily", cadence="daily", first_period="2013-01-01", inputs=inputs)
    right = a_definition(name="right", inputs={"x": {"from": "daily/scores", "cadence": "daily", "periods": "within"}})

    assert rules(daily, right) == []
    assert rules(daily, a_model("silent", "daily")) == ["daily runs daily, and the input is read as monthly"]


def test_circles_are_refused_and_named_in_the_order_of_the_data() -> None:
    """EV-8: nobody waits for itself, over any number of models."""
    circle = [a_model("a", "c"), a_model("b", "a"), a_model("c", "b"), a_model("d", "c")]

    assert rules(*circle) == ["models wait for each other: a -> b -> c -> a"]
    assert rules(a_model("a", "a")) == ["models wait for each other: a -> a"]


def test_each_circle_is_named_once() -> None:
    """However many models lead into it."""
    models = [a_model("a", "b"), a_model("b", "a"), a_model("c", "d"), a_model("d", "c"), a_model("e", "a", "c")]

    assert rules(*models) == [
        "models wait for each other: a -> b -> a",
        "models wait for each other: c -> d -> c",
    ]


def test_a_long_chain_needs_no_deep_stack() -> None:
    """T16: no recursion over what people write."""
    chain = [a_model("m0", "m2999"), *(a_model(f"m{n}", f"m{n - 1}") for n in range(1, 3000))]

    assert len(rules(*chain)) == 1
    assert rules(*chain[1:], unreadable={"m0"}) == []


def test_a_name_belongs_to_one_definition() -> None:
    """CF-1: none of the two is dropped silently."""
    assert rules(a_model("a"), a_model("a")) == ["2 definitions have the name a"] * 2


def test_datasets_lie_where_data_land() -> None:
    """Slipway's own filesystems are nobody's input path."""
    inputs = {"x": {"path": "models/a/{period:%Y-%m}/", "complete": {"files": 1}}}
    own = a_definition(name="own", inputs=inputs)

    assert rules(own, landing=["landing", "raw"]) == ["datasets do not lie in the filesystem models"]
    assert rules(own) == []


def test_whoever_waits_is_found_over_any_number_of_models() -> None:
    """The nearest first; a model is named once, however many ways lead to it."""
    models = [
        a_model("raw"),
        a_model("clean", "raw"),
        a_model("plan", "raw", "clean"),
        a_model("report", "clean"),
        a_model("other"),
    ]

    assert downstream(models, "raw") == ["clean", "plan", "report"]
    assert downstream(models, "report") == []
