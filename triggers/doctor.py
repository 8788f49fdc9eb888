"""The environment checked from within, over HTTP: with the app's own settings, identity and rights."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

from slipway import catalog, checkup, clock, paths, rollup
from slipway.azure import probes
from slipway.azure.failures import failure_of
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.checkup import UNSEEN, Check, failed, ok, warning
from slipway.definition import Definition
from slipway.invocation import Threads
from slipway.settings import queue_service, settings, thread_count, unresolved
from triggers.api import answer, endpoint, looking_operator
from triggers.overview import STALE
from triggers.shapes.upkeep import CheckRow, Checkup

bp = df.Blueprint()
log = logging.getLogger("slipway")

#: How long one check may take, in seconds; all are made at a time.
CHECK_SECONDS = 20.0
#: The packages whose versions are told.
PACKAGES = (
    "azure-functions",
    "azure-functions-durable",
    "azure-identity",
    "azure-storage-blob",
    "azure-storage-file-datalake",
    "azure-ai-ml",
    "pydantic",
)
QUEUE = "landing-events"
HOST_JSON = Path(__file__).parents[1] / "host.json"
ROLE = "Give the app's identity {} on {}: docs/how-to/deploy.md."

Found = Check | Iterable[Check]


@bp.function_name("get_doctor")
@bp.route("api/doctor", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_doctor(request: func.HttpRequest) -> func.HttpResponse:
    """Check the environment: settings, identity, rights, services, clocks, watchers. For operators alone.

    Each check that goes wrong is one of the answer, and one that takes too long has failed; none keeps the others.
    """
    who = looking_operator(request)
    made = [ok("authentication", f"the platform's is on; you are {who.name}"), *await _all()]
    rows = [CheckRow(**one.to_document()) for one in made]
    return answer(Checkup(now=clock.now(), checks=rows, unseen=list(UNSEEN)).model_dump(mode="json"))


async def _all() -> list[Check]:
    """Make all checks at a time; a thread that hangs is left to its own timeouts."""
    pool, loop = Threads(len(CHECKS), "doctor"), asyncio.get_running_loop()

    async def made(name: str, check: Callable[[], Found]) -> list[Check]:
        try:
            return await asyncio.wait_for(loop.run_in_executor(pool, _found, check), CHECK_SECONDS)
        except TimeoutError:
            return [failed(name, f"no answer within {CHECK_SECONDS:.0f} s", "See whether the service can be reached.")]
        except Exception as error:
            return [_broken(name, error)]

    try:
        return [one for some in await asyncio.gather(*(made(*each) for each in CHECKS.items())) for one in some]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _found(check: Callable[[], Found]) -> list[Check]:
    """Make the check, all of it in the thread that it is given."""
    found = check()
    return [found] if isinstance(found, Check) else list(found)


def _broken(name: str, error: Exception) -> Check:
    try:
        failure = failure_of(error)
    except Exception:
        log.exception("check %s", name, extra={"action": "check_failed"})
        return failed(name, f"unforeseen: {type(error).__name__}", "See the app's log (action check_failed).")
    return failed(name, str(failure), REMEDIES.get(name, "See whether the service can be reached, and as whom."))


# The checks


def _settings() -> Check:
    lacks = {
        "public_url": "incidents have no links",
        "environment": "commands in incidents name no environment",
        "destinations": "incidents stay in the lake, and nobody is told",
        "topic_url": "nobody is told of published outputs",
    }
    given = settings()
    missing = {f"SLIPWAY_{name.upper()}": lack for name, lack in lacks.items() if not getattr(given, name)}
    return checkup.settings_complete(missing)


def _secrets() -> Check:
    return checkup.secrets_resolved(unresolved())


def _threads() -> Check:
    durable = json.loads(HOST_JSON.read_text(encoding="utf-8"))["extensions"]["durableTask"]
    admitted = durable["maxConcurrentActivityFunctions"], durable["maxConcurrentOrchestratorFunctions"]
    return checkup.threads_enough(thread_count(), os.cpu_count() or 1, *admitted)


def _identity() -> Check:
    return ok("identity", f"a token was obtained, for {probes.principal()}")


def _models_filesystem() -> Check:
    acl = lake().models.root_acl()
    entries = dict(entry.rpartition(":")[::2] for entry in acl.split(","))
    passing = "x" in entries.get("other:", "")
    told = f"it is hierarchical; its root has {acl}"
    remedy = "Set the root's access control list to user::rwx,group::r-x,other::--x: readers and jobs pass through it."
    return ok("models filesystem", told) if passing else failed("models filesystem", told, remedy)


def _models_rights() -> Check:
    probes.change_models()
    return ok("models rights", "the app can write there and change access control lists")


def _control_rights() -> Check:
    probes.change_control()
    return ok("control rights", "records are written, changed by compare-and-swap, read and deleted")


def _landing_rights() -> Iterable[Check]:
    for name, store in lake().landing.items():
        next(iter(store.list("")), None)
        if store.may_write():
            remedy = "Take its role to write there away; Storage Blob Data Reader is enough."
            yield warning("landing rights", f"the app can read {name}, and could write it, which it must not", remedy)
        else:
            yield ok("landing rights", f"the app can read {name} and not write it")


def _workspace() -> Check:
    name = settings().models_datastore
    if probes.datastore_there(name):
        return ok("workspace", f"it answers, and has the datastore {name}")
    found = f"there is no workspace {settings().workspace}, or no datastore {name} in it"
    remedy = "Create it, without credentials, for the models filesystem; see SLIPWAY_WORKSPACE."
    return failed("workspace", found, remedy)


def _definitions() -> list[Definition]:
    return [one.definition for one in catalog.load(lake().control).models.values()]


def _models() -> Iterable[Check]:
    known = catalog.load(lake().control)
    yield checkup.models_known(known.models, known.broken)
    yield checkup.readers_known(_definitions(), settings().readers)


def _compute() -> Iterable[Check]:
    named = checkup.computes_named(_definitions())
    with Threads(8) as pool:
        there = dict(zip(named, pool.map(jobs().has_compute, named), strict=True))
    yield checkup.computes_there(named, [name for name, found in there.items() if not found])
    yield checkup.priced(named, settings().node_hour_prices)


def _clock() -> Check:
    before, there = clock.now(), probes.lake_time()
    return checkup.clocks("clock", before, there, "the app's clock and the lake's")


def _watchers() -> Iterable[Check]:
    record, now = lake().control.read_at(paths.heartbeat())
    yield from checkup.heartbeat(record.data if record else None, now, STALE)
    last = lake().control.read(paths.retention())
    yield checkup.retention_passes(last.data if last else None, now)


def _board() -> Check:
    shards = [lake().control.exists(paths.board(number)) for number in range(rollup.SHARDS)]
    if any(shards):
        return ok("board", f"{sum(shards)} of its {rollup.SHARDS} shards are there")
    if not any(True for _ in lake().control.list("periods/")):
        return ok("board", "nothing was run yet")
    return failed("board", "none of its shards is there, and lists show nothing", "`slipway rebuild` makes it anew.")


def _queue() -> Check:
    service = queue_service()
    if service is None:
        return ok("queue", "LANDING__queueServiceUri is not set: events come by Event Grid's trigger alone")
    if probes.queue_there(service, QUEUE):
        return ok("queue", f"{QUEUE} is there")
    return failed(
        "queue", f"there is no queue {QUEUE}", "Create it, and the one for what fails, landing-events-poison."
    )


def _versions() -> Check:
    told = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    python = platform.python_version()
    found = f"Python {python}; {told}"
    if python.rpartition(".")[0] in checkup.PYTHONS:
        return ok("versions", found)
    return warning("versions", found, f"Run the app on Python {' or '.join(checkup.PYTHONS)}, which it is tested on.")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


CHECKS: dict[str, Callable[[], Found]] = {
    "settings": _settings,
    "secrets": _secrets,
    "threads": _threads,
    "identity": _identity,
    "models filesystem": _models_filesystem,
    "models rights": _models_rights,
    "control rights": _control_rights,
    "landing rights": _landing_rights,
    "workspace": _workspace,
    "models": _models,
    "compute": _compute,
    "clock": _clock,
    "reconcile": _watchers,
    "board": _board,
    "queue": _queue,
    "versions": _versions,
}
REMEDIES = {
    "identity": "Switch the app's managed identity on; with a user-assigned one, set AZURE_CLIENT_ID.",
    "models filesystem": "Its account must be hierarchical, and the app Storage Blob Data Owner of it.",
    "models rights": ROLE.format("Storage Blob Data Owner", "the models filesystem"),
    "control rights": ROLE.format("Storage Blob Data Owner", "the control filesystem"),
    "landing rights": ROLE.format("Storage Blob Data Reader", "each landing filesystem"),
    "workspace": ROLE.format("AzureML Data Scientist", "the workspace"),
    "compute": ROLE.format("AzureML Data Scientist", "the workspace"),
    "queue": ROLE.format("Storage Queue Data Contributor", "the queue"),
}
