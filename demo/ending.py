"""What to look at when the demonstration is over: the reports, its cloud, and the ways from here."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from demo.cloud import Cloud, relative
from demo.reading import download
from demo.table import Row

REPORTS = "delay-report"


def save_reports(cloud: Cloud, rows: list[Row], who: str) -> list[Path]:
    """Copy the published monthly reports out of the lake with a reader's rights; return where they lie."""
    models = cloud.filesystem("models", who)
    reports = []
    for row in rows:
        if row.model == REPORTS and row.folder:
            report = cloud.state / "reports" / f"{row.period}.html"
            report.parent.mkdir(exist_ok=True)
            report.write_bytes(download(models, f"{row.folder.removeprefix('models/')}/report/report.html"))
            reports.append(report)
    return reports


def ways(cloud: Cloud, rows: list[Row], reports: list[Path]) -> dict[str, str]:
    """Return what there is to see and do next, and where or how."""
    python, state = relative(Path(sys.executable)), shlex.quote(relative(cloud.state))
    found = {"the monthly reports": "  ".join(relative(report) for report in reports)} if reports else {}
    if cloud.keep and rows:
        api = f"{cloud.endpoints.functions}/api"
        found |= {
            "the local cloud's state page": cloud.endpoints.control,
            "a period": f"{api}/models/{rows[-1].model}/periods/{rows[-1].period}",
            "a run": f"{api}/runs/{rows[-1].run}",
            "the lake": f"{python} -m localcloud ls models/{rows[-1].model}/published --state {state}",
            "stop it": f"kill {cloud.pid}",
        }
    else:
        found["this cloud again"] = shlex.join([python, *cloud.command])
    return {**found, "a cloud to play with": "make up", "read on": "README.md and docs/"}
