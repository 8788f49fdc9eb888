"""The examples in the help texts, by command. A test reads them as the command line does."""

from __future__ import annotations

EXAMPLES = {
    "status": ("slipway status", "slipway status --env prod --periods 30", "slipway status --check"),
    "why": ("slipway why shop-revenue 2025-03-05",),
    "runs": (
        "slipway runs --model shop-revenue --state failed",
        "slipway runs --since 6h --all",
        "slipway runs --by dana@example.com --since 2025-03-01 --json",
    ),
    "show": ("slipway show shop-revenue--2025-03-05--84b477cc-1",),
    "logs": ("slipway logs -f shop-revenue--2025-03-05--84b477cc-1",),
    "incidents": (
        "slipway incidents",
        "slipway incidents shop-revenue--2025-03-05",
        "slipway incidents --all --json",
    ),
    "open": (
        "slipway open shop-revenue--2025-03-05--84b477cc-1",
        "slipway open shop-revenue/2025-03-05 --browser",
    ),
    "retention": ("slipway retention --dry-run", "slipway retention --env prod --json"),
    "doctor": ("slipway doctor", "slipway doctor --env prod --all"),
    "rerun": ('slipway rerun shop-revenue 2025-03-05 --reason "the shop list was wrong"',),
    "resume": (
        'slipway resume shop-revenue--2025-03-05--84b477cc-1 --reason "the quota was raised"',
        'slipway resume --incident platform--many-platform-queued-too-long --reason "the quota was raised"',
    ),
    "cancel": ('slipway cancel shop-revenue--2025-03-05--84b477cc-1 --reason "wrong release"',),
    "take-over": ('slipway take-over shop-revenue--2025-03-05--84b477cc-1 --reason "the task hub was lost"',),
    "waive": ('slipway waive shop-revenue 2025-03-05 --reason "the shops were closed"',),
    "reopen": ('slipway reopen shop-revenue 2025-03-05 --reason "they were open after all"',),
    "retract": ('slipway retract shop-revenue 2025-03-05 --reason "half of the shops are missing"',),
    "publish": (
        'slipway publish shop-revenue 2025-03-05 shop-revenue--2025-03-05--84b477cc-1 --reason "it was right"',
    ),
    "acknowledge": (
        'slipway acknowledge shop-revenue 2025-03-05 --reason "I call the owner of the source"',
        'slipway acknowledge platform--event-path-silent --reason "I look at the subscription"',
    ),
    "pause": ('slipway pause shop-revenue --reason "the source is being moved"',),
    "unpause": ('slipway unpause shop-revenue --reason "it was moved"',),
    "backfill plan": (
        "slipway backfill plan shop-revenue --from 2025-01-01 --to 2025-03-31 --parallel 4",
        'slipway backfill plan shop-revenue --period 2025-01-05 --only all --start --reason "a new price list"',
    ),
    "backfill start": ("slipway backfill start bf-3f9a1c20de",),
    "backfill list": ("slipway backfill list --model shop-revenue", "slipway backfill list --state running --json"),
    "backfill show": ("slipway backfill show bf-3f9a1c20de",),
    "backfill watch": ("slipway backfill watch bf-3f9a1c20de --check",),
    "backfill pause": ('slipway backfill pause bf-3f9a1c20de --reason "the cluster is needed"',),
    "backfill resume": ("slipway backfill resume bf-3f9a1c20de",),
    "backfill cancel": ('slipway backfill cancel bf-3f9a1c20de --runs finish --reason "wrong release"',),
}


def epilog(command: str) -> str | None:
    """What stands below a command's help. Each paragraph becomes a line."""
    examples = EXAMPLES.get(command)
    return "\n\n".join(["Examples:", *examples]) if examples else None
