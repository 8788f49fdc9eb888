"""Two orchestrations, one of which fails, and an input that looks like HTML."""

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    """Greet, unless nobody is named."""
    if name == "nobody":
        raise ValueError("<i>nobody</i> is there")
    return f"Hello {name}"


@app.orchestration_trigger(context_name="context")
def greeting(context):
    """Greet whoever the input names."""
    return (yield context.call_activity("greet", context.get_input()["name"]))
