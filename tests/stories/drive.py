"""Drives an orchestrator by hand: feeds it the answers of a script and writes down what it asked for, in order.

No host, no sleeping, no history: the function behind the trigger is a generator, and this is who answers it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

#: One answer: a document, an exception to raise in the story, or a function of what was asked.
Answer = dict[str, Any] | Exception | Callable[[Any], dict[str, Any]]
#: What each activity and story answers; of several answers each is given once, the last one ever after.
Script = Mapping[str, Answer | Sequence[Answer]]

#: More generations or steps than any story of a test has.
ENDLESS = 500


def done(**result: Any) -> dict[str, Any]:
    """Build the answer of an activity or story that did its work."""
    return {"result": result}


def failed(code: str, **facts: Any) -> dict[str, Any]:
    """Build the answer of one that failed, for good unless `transient` is said."""
    usual = {"kind": "platform", "code": code, "message": f"{code}.", "transient": False, "retry_after": None}
    return {"failure": usual | facts}


@dataclass(eq=False)
class Task:
    """What a story waits for: `what` it is, and who answers when it is yielded."""

    what: str
    ask: Any = None
    parts: Sequence[Task] = ()
    fires_at: datetime | None = None
    open: bool = True
    is_completed: bool = False

    def cancel(self) -> None:
        """Take a timer back. As the SDK has it, one that fired cannot be."""
        assert not self.is_completed, "Cannot cancel a completed task."
        self.open = False


@dataclass
class Told:
    """What a story did: `calls` in order (waits as `wait <seconds> s`), generation by generation, and how it ended."""

    generations: list[list[str]] = field(default_factory=list)
    asks: list[tuple[str, Any]] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    result: Any = None
    raised: Exception | None = None
    left_behind: list[str] = field(default_factory=list)

    @property
    def calls(self) -> list[str]:
        """All calls of all generations."""
        return [call for generation in self.generations for call in generation]

    def asked(self, name: str) -> list[Any]:
        """What this activity or story was asked, each time."""
        return [ask for called, ask in self.asks if called == name]


class Context:
    """What an orchestrator sees of the engine; it offers only what the real context does."""

    def __init__(self, told: Told, instance: str, ask: Any, started_at: datetime, generation: int) -> None:
        self.instance_id = instance
        self.current_utc_datetime = started_at
        self.continued: Any = None
        self.continues = False
        self.timers: list[Task] = []
        self._told, self._ask, self._uuids, self._generation = told, ask, 0, generation

    def get_input(self) -> Any:
        """The input, as JSON would bring it: nobody else holds it."""
        return copy.deepcopy(self._ask)

    def new_uuid(self) -> str:
        """Another one each time, the same in each replay."""
        self._uuids += 1
        return f"uuid-{self._generation}-{self._uuids}"

    def call_activity(self, name: str, input_: Any) -> Task:
        """Ask an activity."""
        self._told.asks.append((name, copy.deepcopy(input_)))
        self._told.generations[-1].append(name)
        return Task(name, input_)

    def call_sub_orchestrator(self, name: str, input_: Any, instance_id: str) -> Task:
        """Ask a story."""
        self._told.instances.append(instance_id)
        return self.call_activity(name, input_)

    def create_timer(self, fire_at: datetime) -> Task:
        """Set a timer."""
        self.timers.append(Task("timer", fires_at=fire_at))
        return self.timers[-1]

    def wait_for_external_event(self, name: str) -> Task:
        """Wait for an event."""
        return Task(f"event {name}")

    def task_all(self, tasks: Sequence[Task]) -> Task:
        """Wait for all of these."""
        return Task("all", parts=tasks)

    def task_any(self, tasks: Sequence[Task]) -> Task:
        """Wait for the first of these."""
        return Task("any", parts=tasks)

    def continue_as_new(self, input_: Any) -> None:
        """End this generation and begin the next one."""
        self.continues, self.continued = True, copy.deepcopy(input_)


class Driver:
    """Answers one story, over all its generations, from a script."""

    def __init__(self, script: Script, wakes: Sequence[float | None], started_at: datetime) -> None:
        self._script = {name: list(said) if isinstance(said, list | tuple) else [said] for name, said in script.items()}
        self._wakes = list(wakes)
        self._now = started_at
        self.told = Told()

    def drive(self, story: Callable[[Any], Any], ask: Any, instance: str) -> Told:
        """Drive until the story returns without continuing, or raises."""
        for generation in range(ENDLESS):
            self.told.generations.append([])
            context = Context(self.told, instance, ask, self._now, generation)
            try:
                self.told.result = self._generation(context, story(context))
            except Exception as error:
                self.told.raised = error
            # Only a timer keeps an instance that has returned alive.
            self.told.left_behind += [
                f"a timer for {timer.fires_at:%H:%M:%S}" for timer in context.timers if timer.open
            ]
            if not context.continues or self.told.raised:
                return self.told
            ask = context.continued
        raise AssertionError(f"{instance} goes on for ever: {self.told.calls[-5:]}")

    def _generation(self, context: Context, steps: Any) -> Any:
        answer: Any = None
        for _ in range(ENDLESS):
            try:
                task = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
            except StopIteration as end:
                return end.value
            answer = self._answer(context, task)
        raise AssertionError(f"one generation goes on for ever: {self.told.calls[-5:]}")

    def _answer(self, context: Context, task: Task) -> Any:
        if task.what == "all":
            return [self._answer(context, part) for part in task.parts]
        if task.what == "any":
            return self._race(context, *task.parts)
        if task.what == "timer":
            return self._wait(context, task)
        assert task.what in self._script, f"the story asked {task.what}, for which the script has no answer"
        said = self._script[task.what]
        answer = said.pop(0) if len(said) > 1 else said[0]
        return answer(task.ask) if callable(answer) else copy.deepcopy(answer)

    def _race(self, context: Context, event: Task, timer: Task) -> Task:
        """An event comes after as many seconds as the script says, or the timer fires first."""
        after = self._wakes.pop(0) if self._wakes else None
        if after is None:
            self._wait(context, timer)
            return timer
        self.told.generations[-1].append(event.what)
        self._pass(context, self._now + timedelta(seconds=after))
        return event

    def _wait(self, context: Context, timer: Task) -> None:
        assert timer.fires_at is not None
        assert timer.open, "a canceled timer is not waited for"
        self.told.generations[-1].append(f"wait {(timer.fires_at - self._now).total_seconds():g} s")
        timer.open, timer.is_completed = False, True
        self._pass(context, timer.fires_at)

    def _pass(self, context: Context, to: datetime) -> None:
        self._now = context.current_utc_datetime = to


def drive(
    orchestrator: Any,
    ask: Any,
    script: Script,
    *,
    wakes: Sequence[float | None] = (),
    instance: str = "instance",
    started_at: datetime = datetime(2013, 2, 1, 12, tzinfo=UTC),
) -> Told:
    """Drive an orchestrator, as its module's blueprint has it, to its end.

    `wakes` says of each race between an event and a timer after how many seconds the event came, or None.
    """
    return Driver(script, wakes, started_at).drive(story_of(orchestrator), ask, instance)


def story_of(orchestrator: Any) -> Callable[[Any], Any]:
    """The generator function behind an orchestration trigger, as azure-functions-durable 1.x keeps it."""
    story: Callable[[Any], Any] = orchestrator.build().get_user_function().orchestrator_function
    return story
