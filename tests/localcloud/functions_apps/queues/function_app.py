"""A Functions app that answers messages of a queue by messages of another, and fails on some."""

# ruff: noqa: D103 (the one function is what the tests are about)

import os
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="%QUEUE_NAME%", connection="LANDING")
def on_message(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{text} {message.dequeue_count}\n")
    while text == "slow" and not Path("gate").exists():
        time.sleep(0.02)
    if text.startswith("bad"):
        raise ValueError(text)
