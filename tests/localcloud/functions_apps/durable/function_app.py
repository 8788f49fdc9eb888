"""A Functions app whose orchestrations show one durable behaviour each."""

# ruff: noqa: D103 (each function is one case of a test, which says what it shows)

import os
import time
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
blueprint = df.Blueprint()

RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=5_000, max_number_of_attempts=3)


@blueprint.activity_trigger(input_name="name")
def hello(name: str):
    return f"Hello {name}!"


@blueprint.activity_trigger(input_name="value")
async def echo(value):
    return value


@blueprint.activity_trigger(input_name="reason")
def fail(reason: str):
    raise ValueError(reason)


@blueprint.activity_trigger(input_name="name", activity="Renamed")
def renamed_activity(name: str):
    return f"renamed {name}"


@blueprint.activity_trigger(input_name="about")
def note(about: dict):
    """Leave a line in a file: shows how often an activity ran."""
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(about["line"] + "\n")
    return about["line"]


@blueprint.activity_trigger(input_name="line")
def hold(line: str):
    """Note the line, then wait until the gate file exists."""
    note_line(line)
    while not Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    return line


@blueprint.activity_trigger(input_name="about")
def fail_until(about: dict):
    """Fail until as many attempts as asked for are noted."""
    return fail_as_often(about)


def fail_as_often(about: dict):
    note_line(about["line"])
    if Path(os.environ["NOTES"]).read_text().count(about["line"] + "\n") <= about["times"]:
        raise RuntimeError(f"not yet {about['line']}")
    return about["line"]


@blueprint.activity_trigger(input_name="about")
def fail_late(about: dict):
    """Fail once the gate file exists, the first time."""
    while not Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    return fail_as_often(about)


@blueprint.activity_trigger(input_name="size")
def large(size: int):
    return "x" * size


def note_line(line: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(line + "\n")


app.register_functions(blueprint)


@app.orchestration_trigger(context_name="context")
def chain(context):
    first = yield context.call_activity("hello", "Tokyo")
    second = yield context.call_activity(hello, "Cairo")
    third = yield context.call_activity("RENAMED", "Rome")
    return [first, second, third]


@app.orchestration_trigger(context_name="context")
def fan_out(context):
    tasks = [context.call_activity("echo", {"n": n}) for n in range(context.get_input())]
    results = yield context.task_all(tasks)
    return [result["n"] for result in results]


@app.orchestration_trigger(context_name="context")
def without_yield(context):
    return context.get_input()


@app.orchestration_trigger(context_name="context")
def race(context):
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    event = context.wait_for_external_event("Go")
    winner = yield context.task_any([deadline, event])
    if winner is event and context.get_input() != "leave it":
        deadline.cancel()
    return "event" if winner is event else "deadline"


@app.orchestration_trigger(context_name="context")
def reminders(context):
    """One wait, a new timer each round."""
    event = context.wait_for_external_event("Go")
    for sent in range(5):
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([event, timer])
        if winner is event:
            timer.cancel()
            return sent
        yield context.call_activity("echo", sent)


@app.orchestration_trigger(context_name="context")
def shared_deadline(context):
    """One timer, a new wait each round: a timer that was yielded before is left out of the second task_any."""
    deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    for attempt in range(3):
        answer = context.wait_for_external_event("Answer")
        winner = yield context.task_any([answer, deadline])
        if winner is deadline:
            return "too late"
        if answer.result == "right":
            deadline.cancel()
            return attempt
    return "too many"


@app.orchestration_trigger(context_name="context")
def sleep(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(days=context.get_input()))
    return context.current_utc_datetime.isoformat()


@app.orchestration_trigger(context_name="context")
def two_events(context):
    first = yield context.wait_for_external_event("E")
    second = yield context.wait_for_external_event("E")
    return [first, second]


@app.orchestration_trigger(context_name="context")
def two_waiters(context):
    waits = [context.wait_for_external_event("E"), context.wait_for_external_event("E")]
    return (yield context.task_all(waits))


@app.orchestration_trigger(context_name="context")
def event_after_activity(context):
    yield context.call_activity("hold", "busy")
    return (yield context.wait_for_external_event("E"))


@app.orchestration_trigger(context_name="context")
def early_for_two(context):
    yield context.call_activity("hold", "busy")
    first = yield context.wait_for_external_event("E")
    second = yield context.wait_for_external_event("E")
    return [first, second]


@app.orchestration_trigger(context_name="context")
def retried(context):
    try:
        result = yield context.call_activity_with_retry("fail_until", RETRY, context.get_input())
    except Exception as problem:
        result = f"caught {problem}"
    after = yield context.call_activity("hello", "after")
    return [result, after]


@app.orchestration_trigger(context_name="context")
def retried_in_vain(context):
    yield context.call_activity_with_retry("fail", df.RetryOptions(1, 2), "boom")


@app.orchestration_trigger(context_name="context")
def retried_group(context):
    line = {"line": context.instance_id, "times": 1}
    results = yield context.task_all(
        [context.call_activity_with_retry("fail_until", RETRY, line), context.call_activity("hello", "B")]
    )
    after = yield context.call_activity("hello", "after")
    return [*results, after]


@app.orchestration_trigger(context_name="context")
def retried_child(context):
    yield context.call_sub_orchestrator_with_retry("failing", RETRY, {"say": "no"})


@app.orchestration_trigger(context_name="context")
def parent(context):
    derived = yield context.call_sub_orchestrator("child", {"k": 1})
    given = yield context.call_sub_orchestrator("child", {"k": 2}, context.instance_id + "-given")
    return [derived, given]


@app.orchestration_trigger(context_name="context")
def child(context):
    result = yield context.call_activity("echo", context.get_input())
    return {"id": context.instance_id, "parent": context.parent_instance_id, "result": result}


@app.orchestration_trigger(context_name="context")
def failing(context):
    yield context.call_activity("fail", "boom")


@app.orchestration_trigger(context_name="context")
def parent_of_failing(context):
    yield context.call_sub_orchestrator("failing", None, context.instance_id + "-child")


@app.orchestration_trigger(context_name="context")
def parent_of_waiting(context):
    yield context.call_sub_orchestrator("two_events", None, context.instance_id + "-child")


@app.orchestration_trigger(context_name="context")
def count_down(context):
    left = context.get_input()
    context.set_custom_status({"left": left})
    yield context.call_activity("echo", left)
    if left:
        context.continue_as_new(left - 1)
        return None
    return "done"


@app.orchestration_trigger(context_name="context")
def monitor(context):
    """Keep the events of one generation apart from those of the next."""
    seen = context.get_input() or []
    event = yield context.wait_for_external_event("E")
    if event == "stop":
        return seen
    yield context.call_activity("echo", event)
    context.continue_as_new([*seen, event])
    return None


@app.orchestration_trigger(context_name="context")
def overtaken(context):
    """Be woken, and think until the gate file exists; each generation waits an hour for its own timer."""
    name = context.get_input()
    woken = context.wait_for_external_event(name)
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    winner = yield context.task_any([woken, timer])
    if winner == timer:
        return "the timer"
    timer.cancel()
    if name == "last":
        return "the event"
    note_line("thinking")
    while not Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    context.continue_as_new("last")
    return None


@app.orchestration_trigger(context_name="context")
def failing_group(context):
    """Catch the failure of one of two tasks; Azure schedules what follows when both are done."""
    try:
        yield context.task_all([context.call_activity("fail", "boom"), context.call_activity("hold", "held")])
    except Exception:
        return (yield context.call_activity("hello", "caught"))


@app.orchestration_trigger(context_name="context")
def unknown_activity(context):
    try:
        yield context.call_activity("no_such_thing", 1)
    except Exception:
        return "caught"


@app.orchestration_trigger(context_name="context")
def entity_caller(context):
    return (yield context.call_entity(df.EntityId("Counter", "a"), "get"))


@app.orchestration_trigger(context_name="context")
def entity_beside_timer(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=7))
    return (yield context.task_any([timer, context.call_entity(df.EntityId("Counter", "a"), "get")]))


@app.orchestration_trigger(context_name="context")
def entity_signaller(context):
    context.signal_entity(df.EntityId("Counter", "a"), "add", 1)
    return "done"


@app.orchestration_trigger(context_name="context")
def http_caller(context):
    return (yield context.call_http("GET", "http://127.0.0.1:1/"))


@app.orchestration_trigger(context_name="context")
def long_race(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=8))
    event = context.wait_for_external_event("Go")
    winner = yield context.task_any([timer, event])
    if winner is event:
        timer.cancel()
    return (yield context.call_activity("echo", "event" if winner is event else "timer"))


@app.orchestration_trigger(context_name="context")
def half_a_pair(context):
    """Return half a surrogate pair, as a file name that is no UTF-8 becomes in Python."""
    text = yield context.call_activity("echo", "\ud800")
    context.set_custom_status(text)
    return text


@app.orchestration_trigger(context_name="context")
def retried_beside_failure(context):
    """Go on after one member of a group failed, while another is still to be retried."""
    line = {"line": context.instance_id, "times": 1}
    try:
        yield context.task_all(
            [context.call_activity_with_retry("fail_late", RETRY, line), context.call_activity("fail", "boom")]
        )
    except Exception:
        return (yield context.call_activity("hello", "after"))


@app.orchestration_trigger(context_name="context")
def steps(context):
    """Note ten lines one after the other; gates in between leave time to be killed."""
    for n in range(5):
        yield context.call_activity("note", {"line": f"{context.instance_id}-{n}"})
    yield context.call_activity("hold", f"{context.instance_id}-held")
    for n in range(5, 10):
        yield context.call_activity("note", {"line": f"{context.instance_id}-{n}"})
    return "done"


@app.orchestration_trigger(context_name="context")
def rewindable(context):
    first = yield context.call_activity("note", {"line": context.instance_id})
    second = yield context.call_activity("fail_until", {"line": context.instance_id + "-r", "times": 1})
    return [first, second]


@app.orchestration_trigger(context_name="context")
def parent_of_rewindable(context):
    yield context.call_activity("note", {"line": context.instance_id})
    names = [context.instance_id + suffix for suffix in ("-a", "-b")]
    return (yield context.task_all([context.call_sub_orchestrator("rewindable", None, name) for name in names]))


@app.orchestration_trigger(context_name="context")
def changing(context):
    """What a deployment in the middle of a run does: the first step depends on a file."""
    name = "echo" if Path(os.environ["GATE"]).exists() else "hello"
    yield context.call_activity(name, "x")
    yield context.wait_for_external_event("E")
    return "done"


@app.orchestration_trigger(context_name="context")
def weighty(context):
    texts = yield context.task_all([context.call_activity("large", 200_000) for _ in range(5)])
    return sum(len(text) for text in texts)


@app.orchestration_trigger(context_name="context")
def stating(context):
    context.set_custom_status("x" * context.get_input())
    yield context.call_activity("hello", "Tokyo")
    return "stated"


@app.orchestration_trigger(context_name="context")
def versioned(context):
    return context.version


@app.route(route="start/{name}/{id?}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["name"], req.route_params.get("id"))
    return client.create_check_status_response(req, instance_id)


@app.route(route="run/{name}")
@app.durable_client_input(client_name="client")
async def run(req: func.HttpRequest, client):
    instance_id = await client.start_new(req.route_params["name"])
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 5_000, 50)
