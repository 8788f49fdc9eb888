"""An app to be disturbed: it keeps a ledger of its own of what ran and what it was told."""

import json
import os
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
told_events: list[dict] = []


@app.activity_trigger(input_name="line")
def note(line: str) -> str:
    """Leave a line in the ledger."""
    with Path(os.environ["SAMPLE_LEDGER"]).open("a") as ledger:
        ledger.write(f"{line}\n")
    return line


@app.orchestration_trigger(context_name="context")
def steps(context):
    """Three activities one after the other, then two at once."""
    given = context.get_input()["of"]
    for number in range(3):
        yield context.call_activity("note", f"{given}-{number}")
    yield context.task_all([context.call_activity("note", f"{given}-{side}") for side in ("left", "right")])
    return given


@app.orchestration_trigger(context_name="context")
def sleeper(context):
    """Note, sleep an hour, note; the status says when it sleeps, since it is kept with the timer."""
    given = context.get_input()["of"]
    yield context.call_activity("note", f"{given}-before")
    context.set_custom_status("asleep")
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    yield context.call_activity("note", f"{given}-after")


@app.event_grid_trigger(arg_name="event")
def told(event: func.EventGridEvent) -> None:
    """Remember an event, in either schema."""
    told_events.append({"id": event.id, "subject": event.subject})


@app.route("told")
def show_told(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the events so far."""
    return func.HttpResponse(json.dumps(told_events))


@app.route("who")
def who(req: func.HttpRequest) -> func.HttpResponse:
    """Answer which of the hosts this is."""
    return func.HttpResponse(os.environ["WHO"])
