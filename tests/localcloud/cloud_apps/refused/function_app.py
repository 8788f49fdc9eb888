"""What this host does not have: declared, and asked for by orchestrations."""

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.entity_trigger(context_name="context")
def counter(context):
    """An entity, which is listed and does not run."""


@app.blob_trigger(arg_name="blob", path="landing/{name}", connection="Blobs")
def on_blob(blob: func.InputStream) -> None:
    """A trigger that is listed and does not fire."""


@app.route("bound")
@app.blob_input(arg_name="blob", path="landing/f", connection="Blobs")
def bound(req: func.HttpRequest, blob: str) -> func.HttpResponse:
    """A binding that is not there."""
    return func.HttpResponse(blob)


@app.route("answers_twice")
@app.generic_output_binding(arg_name="second", type="http")
def answers_twice(req: func.HttpRequest, second: func.Out[func.HttpResponse]) -> func.HttpResponse:
    """A second response."""
    return func.HttpResponse()


@app.route("retried")
@app.retry(strategy="fixed_delay", max_retry_count="1", delay_interval="00:00:01")
def retried(req: func.HttpRequest) -> func.HttpResponse:
    """A decorator that is not followed."""
    return func.HttpResponse()


class Streamed:
    """A request as an extension of the worker makes it."""


@app.route("streamed")
def streamed(req: Streamed) -> func.HttpResponse:
    """A function of such requests."""
    return func.HttpResponse()


@app.route("other_hub")
@app.durable_client_input(client_name="client", task_hub="Other")
def other_hub(req: func.HttpRequest, client: str) -> func.HttpResponse:
    """A client of orchestrations that another app runs."""
    return func.HttpResponse()


@app.route("other_connection")
@app.durable_client_input(client_name="client", connection_name="Elsewhere")
def other_connection(req: func.HttpRequest, client: str) -> func.HttpResponse:
    """A client of orchestrations in another storage account."""
    return func.HttpResponse()


@app.orchestration_trigger(context_name="context")
def calls_entity(context):
    """Call an entity."""
    return (yield context.call_entity(df.EntityId("counter", "a"), "get"))


@app.orchestration_trigger(context_name="context")
def calls_http(context):
    """Make a durable HTTP call."""
    return (yield context.call_http("GET", "http://127.0.0.1:1/"))
