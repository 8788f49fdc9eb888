"""`python -m tests.histories.record STATE`: keep the histories of a stopped local cloud's orchestrations as fixtures.

Run it on a state folder whose runs ended as they should (the demonstration's, say) whenever an orchestrator changes on
purpose; what is there already stays, under its own name, as long as such instances may still be under way somewhere.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main(state: Path) -> None:
    """Write the longest history of each orchestrator, one file each."""
    database = sqlite3.connect(state / "functions.db")
    instances = database.execute("SELECT instance_id, name, input, parent_instance FROM instances").fetchall()
    longest: dict[str, dict[str, object]] = {}
    for instance, name, given, parent in instances:
        rows = database.execute("SELECT event FROM history WHERE instance_id = ? ORDER BY position", (instance,))
        history = [json.loads(event) for (event,) in rows]
        if len(history) > len(longest.get(name, {"history": ()})["history"]):  # type: ignore[arg-type]
            longest[name] = {"name": name, "instance": instance, "input": given, "parent": parent, "history": history}
    for name, found in sorted(longest.items()):
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{path.name}: {len(found['history'])} events of {found['instance']}")  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
