"""The process: ``python -m localcloud.functions --app DIR --state DIR --port N [--rpc-port N] [--enforce-keys]
[--seed N] [--slot NAME]``.

What the parent process gives:

- **environment**: all app settings, complete; nothing is read from ``local.settings.json`` here. Queue triggers read
  ``<CONNECTION>__queueServiceUri`` and trust ``SSL_CERT_FILE``.
- **``--port``** and **``--rpc-port``** (the durable client's endpoint, loopback, without a key): 0 chooses a free one.
- **``<state>/functions.json``** (optional), a JSON object with any of:

  - ``principal``: the name of the app's own identity (default ``app``); queue triggers act as it;
  - ``development_principal``: whom a request without a token is taken for. A name, or null for "refuse with 401".
    When the key is absent there is no Easy Auth: requests pass as they come, without principal headers.

- **``<state>/secrets.json``** and **``<state>/clock``**: shared with the parent (:mod:`localcloud.secrets`,
  :mod:`localcloud.clock`); made here when missing, so that the host also runs alone.
- **``--slot``**: this is the host of a deployment slot, beside the app's own. What it keeps for itself, its database
  and ready file, lies in ``<state>/slots/NAME``; all else is shared.
- **standard input**, one command a line: ``clock`` (the clock was moved), ``faults {...}`` (replaces the fault rules by
  those of this JSON object). The end of the input means that the parent is gone: the process dies at once.

What it gives back:

- **``<state>/functions.ready.json``**, written once the app is loaded and both ports listen (an old one is removed
  first): ``{"pid": ..., "port": ..., "rpc_port": ..., "functions": [{"name", "trigger"}, ...]}``.
  ``GET /admin/host/status`` answers 200 from then on.
- **exit code**: 0 after SIGTERM or SIGINT (running functions get a few seconds to end), 3 when the app cannot be
  loaded, a setting is wrong or another host has the folder: the reason stands on standard error in one message.
- **``<state>/functions.db``**: histories, open work and schedules. The next start continues from it. A second host on
  the same folder is refused, by a lock that dies with its owner, however that ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from localcloud.clock import Clock
from localcloud.faults.ledger import Ledger
from localcloud.faults.switchboard import Faults
from localcloud.functions.host import Host, Options, ready_document
from localcloud.functions.host_json import AppError
from localcloud.functions.log import Task, set_up
from localcloud.ownership import InUseError, owned
from localcloud.serving import PortInUseError

#: Exit code when the app cannot be loaded.
CANNOT_START = 3
#: Seconds that a host which is ending, because its parent was killed, may hold the folder.
PREDECESSOR_WITHIN = 3.0


def main() -> int:
    """Run the host until it is told to stop; returns the exit code."""
    options = _options()
    set_up()
    options.home.mkdir(parents=True, exist_ok=True)
    clock = Clock(options.state / "clock")
    time.time = (
        clock.time
    )  # before the app and its SDKs are imported, so that their token caches follow the cloud's clock
    try:
        with owned(options.home, "functions.lock", PREDECESSOR_WITHIN):
            asyncio.run(_serve(options, clock))
    except (AppError, PortInUseError, InUseError) as problem:
        print(f"localcloud functions: {problem}", file=sys.stderr)
        return CANNOT_START
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m localcloud.functions", description="Run a Functions app.")
    parser.add_argument("--app", type=Path, required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--state", type=Path, required=True, help="folder of functions.db and the shared files")
    parser.add_argument("--port", type=int, default=7071)
    parser.add_argument("--rpc-port", type=int, default=0)
    parser.add_argument("--enforce-keys", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="drives what faults leave to chance")
    parser.add_argument("--slot", help="the deployment slot whose host this is")
    given = parser.parse_args()
    given.app, given.state = given.app.resolve(), given.state.resolve()
    return Options(**vars(given))


async def _serve(options: Options, clock: Clock) -> None:
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **options: Task(coro, loop=loop, **options))
    faults = Faults(options.seed, clock, Ledger(options.state, "slot" if options.slot else "functions"))
    logging.getLogger("localcloud.functions").info(
        "functions host starts: slot %s, seed %d", options.slot or "none", options.seed
    )
    faults.on_itself()
    faults.on_database("engine", options.home / "functions.db")
    faults.on_database("cloud", options.state / "cloud.db")
    _obey_standard_input(clock, faults)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    ready = options.home / "functions.ready.json"
    ready.unlink(missing_ok=True)
    host = Host(options, clock, faults)
    ports = await host.start()
    draft = ready.with_suffix(".new")
    draft.write_text(ready_document(host, *ports))
    draft.rename(ready)
    await stopped.wait()
    ready.unlink(missing_ok=True)
    await host.stop()


def _obey_standard_input(clock: Clock, faults: Faults) -> None:
    """Follow the parent's commands in a thread, so that its death is noticed even while the app blocks the loop."""
    loop = asyncio.get_running_loop()
    commands = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # the app's own reads find an end, not the parent's commands

    def obey() -> None:
        for line in commands:
            word, _, rest = line.decode().strip().partition(" ")
            with suppress(RuntimeError):  # the loop is closed: this host ends, and says why itself
                if word == "clock":
                    loop.call_soon_threadsafe(clock.changed)
                elif word == "faults":
                    loop.call_soon_threadsafe(faults.replace, json.loads(rest))
        os._exit(1)

    threading.Thread(target=obey, name="parent", daemon=True).start()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the interpreter's own end would wait for functions that still run in threads
