"""A Functions app with a door of each kind; every function notes what it received."""

# ruff: noqa: D103 (each function is one case of a test, which says what it shows)

import asyncio
import json
import logging
import os
from pathlib import Path

import azure.functions as func

log = logging.getLogger("doors")
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def note(line: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(line + "\n")


@app.route(route="echo/{*rest}", auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with what was received."""
    seen = {
        "method": req.method,
        "url": req.url,
        "query": dict(req.params),
        "route": dict(req.route_params),
        "headers": {name.lower(): value for name, value in req.headers.items()},
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"X-Seen": "yes"}, status_code=201)


@app.route(route="items/{id:int}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def item(req: func.HttpRequest) -> str:
    return f"item {req.route_params['id']}"


@app.route(route="items/{name:alpha}/{size:range(1,5)?}", auth_level=func.AuthLevel.ANONYMOUS)
def named_item(req: func.HttpRequest) -> str:
    return f"named {req.route_params['name']} {req.route_params.get('size')}"


@app.route(route="items/new", auth_level=func.AuthLevel.ANONYMOUS)
def new_item(req: func.HttpRequest) -> str:
    return "the literal route"


@app.function_name("Guarded")
@app.route()
def guarded(req: func.HttpRequest, context: func.Context) -> str:
    return f"{context.function_name} {bool(context.invocation_id)}"


@app.route(auth_level=func.AuthLevel.ADMIN)
def for_admins(req: func.HttpRequest) -> str:
    return "admin"


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> str:
    raise ValueError("broken")


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def returns_dict(req: func.HttpRequest):
    return {"a": 1}


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def returns_text(req: func.HttpRequest) -> str:
    return req.get_body().decode()


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def bakes(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with the cookie that was sent, and another."""
    response = func.HttpResponse("baked")
    response.headers.add("Set-Cookie", req.get_body().decode())
    response.headers.add("Set-Cookie", "plain=1")
    return response


@app.route(binding_arg_name="response", auth_level=func.AuthLevel.ANONYMOUS)
def leaves(req: func.HttpRequest, response: func.Out[func.HttpResponse]) -> None:
    if req.params:
        response.set(func.HttpResponse("left", status_code=202))


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def traced(req: func.HttpRequest, context: func.Context) -> str:
    return f"<{context.trace_context.Traceparent}{context.trace_context.trace_parent}>"


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def switched_off(req: func.HttpRequest) -> str:
    return "never"


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
@app.blob_output(arg_name="blob", path="x/y", connection="C")
def writes_blob(req: func.HttpRequest, blob: func.Out[str]) -> str:
    return "never"


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent):
    note(f"event {event.id} {event.subject} {json.dumps(event.get_json())}")
    if event.subject == "bad":
        raise RuntimeError("bad event")
    return "something" if event.subject == "returns" else None


@app.event_grid_trigger(arg_name="event")
async def on_cloud_event(event: func.CloudEvent) -> None:
    note(f"cloud {event.id} {event.type}")


@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%", run_on_startup=False)
def hourly(timer: func.TimerRequest) -> None:
    note(f"hourly past_due={timer.past_due} last={bool(timer.schedule_status.get('Last'))}")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True, use_monitor=False)
async def at_start(timer: func.TimerRequest) -> None:
    note(f"at_start past_due={timer.past_due}")


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
async def said(req: func.HttpRequest, context: func.Context) -> str:
    """Log from the function's task, from a thread, and from a thread that says whose work it does."""

    def of_invocation() -> None:
        context.thread_local_storage.invocation_id = context.invocation_id
        log.info("from a thread of the invocation")
        context.thread_local_storage.invocation_id = None

    async def of_other_task() -> None:
        log.info("from a task of the task")

    log.info("from the task")
    await asyncio.to_thread(log.info, "from a thread")
    await asyncio.to_thread(of_invocation)
    await asyncio.create_task(of_other_task())
    return "said"


@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def said_plainly(req: func.HttpRequest) -> str:
    log.info("from a plain function")
    return "said"
