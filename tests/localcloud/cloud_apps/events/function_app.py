"""An app that remembers the events it was given, shows its environment, and can die or refuse on request."""

import json
import os
import signal
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen: list[dict[str, str]] = []


@app.event_grid_trigger(arg_name="event")
def landed(event: func.EventGridEvent) -> None:
    """Remember an event; refuse it while the file that the test names exists."""
    if Path(os.environ["REFUSE_FILE"]).exists():
        raise RuntimeError("refused on request")
    seen.append({"id": event.id, "type": event.event_type, "subject": event.subject})


@app.route("seen")
def show_seen(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the events so far."""
    return func.HttpResponse(json.dumps(seen))


@app.route("environment")
def show_environment(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the app's environment."""
    return func.HttpResponse(json.dumps(dict(os.environ)))


@app.route("die", methods=["POST"])
def die(req: func.HttpRequest) -> func.HttpResponse:
    """End the host's process as a crash would."""
    print("last words of the app", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return func.HttpResponse()
