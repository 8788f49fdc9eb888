"""Definitions side by side: what each needs of the others, and of the environment. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from slipway.definition import Definition
from slipway.problems import Finding, Problem


def check_together(
    definitions: Sequence[Definition],
    landing: Collection[str] | None = None,
    unreadable: Collection[str] = (),
) -> list[Problem]:
    """What is wrong between definitions that are each right by themselves, in the order of files and lines.

    Producers and their outputs must exist and arrive as often as declared, nobody may wait for itself over any
    number of models, and a name belongs to one definition.

    Args:
        definitions: All that will be released side by side.
        landing: The filesystems where data land, if they are known: datasets must lie in one of them.
        unreadable: Models of which nothing is known but that they exist.
    """
    by_name = {definition.name: definition for definition in definitions}
    problems = [*_duplicates(definitions), *_cycles(by_name)]
    for definition in definitions:
        findings = [*_filesystems(definition, landing), *_producers(definition, by_name, unreadable)]
        problems += [definition.problem(finding) for finding in findings]
    return sorted(problems)


def downstream(definitions: Iterable[Definition], model: str) -> list[str]:
    """The models that wait for this one's outputs, over any number of models between: the nearest first, then by name.

    An input that is optional, or may be old, counts: its model is run without it, and people want to know of that.
    """
    readers: dict[str, set[str]] = defaultdict(set)
    for definition in definitions:
        for name in definition.inputs:
            if (made := definition.producer(name)) is not None:
                readers[made[0]].add(definition.name)
    found: list[str] = []
    layer = {model}
    while layer:
        layer = {reader for one in layer for reader in readers[one]} - {model, *found}
        found += sorted(layer)
    return found


def _filesystems(definition: Definition, landing: Collection[str] | None) -> Iterator[Finding]:
    for name in definition.inputs:
        template = definition.template(name)
        if landing is not None and template is not None and template.filesystem not in landing:
            yield Finding(
                ("inputs", name, "path"),
                f"datasets do not lie in the filesystem {template.filesystem}",
                f"write one of {', '.join(sorted(landing))}, or `from: <model>/<output>` for another model's output",
            )


def _producers(
    definition: Definition, by_name: dict[str, Definition], unreadable: Collection[str]
) -> Iterator[Finding]:
    for name in definition.inputs:
        model, output = definition.producer(name) or (None, None)
        if model is None or model in unreadable:
            continue
        if model not in by_name:
            yield Finding(("inputs", name, "from"), f"there is no model {model}", f"write one of {_names(by_name)}")
            continue
        producer = by_name[model]
        if output not in producer.outputs:
            known = _names(producer.outputs)
            yield Finding(("inputs", name, "from"), f"{model} has no output {output}", f"write one of {known}")
        if definition.input_cadence(name) is not producer.cadence:
            yield Finding(
                ("inputs", name, "cadence" if definition.inputs[name].cadence else "from"),
                f"{model} runs {producer.cadence}, and the input is read as {definition.input_cadence(name)}",
                f"write `cadence: {producer.cadence}`",
            )


def _duplicates(definitions: Sequence[Definition]) -> Iterator[Problem]:
    counts = Counter(definition.name for definition in definitions)
    for definition in definitions:
        if counts[definition.name] > 1:
            rule = f"{counts[definition.name]} definitions have the name {definition.name}"
            yield definition.problem(Finding((), rule, "rename all but one of their folders"))


def _cycles(by_name: dict[str, Definition]) -> Iterator[Problem]:
    """Each circle of models that wait for each other, once, in the order in which data would flow."""
    producers = {
        name: sorted({made[0] for one in definition.inputs if (made := definition.producer(one))} & by_name.keys())
        for name, definition in by_name.items()
    }
    done: set[str] = set()
    for name in sorted(by_name):
        if circle := _circle(name, producers, done):
            first = circle[0]
            at = next(one for one in by_name[first].inputs if (by_name[first].producer(one) or ("",))[0] == circle[-1])
            rule = f"models wait for each other: {' -> '.join([*circle, first])}"
            yield by_name[first].problem(Finding(("inputs", at, "from"), rule, "take one of these inputs away"))


def _circle(start: str, producers: dict[str, list[str]], done: set[str]) -> list[str]:
    """A circle that can be reached from `start`, producers before consumers; empty if there is none. Not recursive."""
    way, waiting = [start], [iter(producers[start] if start not in done else ())]
    while way:
        following = next(waiting[-1], None)
        if following is None:
            done.add(way.pop())
            waiting.pop()
        elif following in way:
            circle = way[way.index(following) :][::-1]
            done.update(way)
            lowest = circle.index(min(circle))
            return circle[lowest:] + circle[:lowest]
        elif following not in done:
            way.append(following)
            waiting.append(iter(producers[following]))
    return []


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
