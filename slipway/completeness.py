"""Whether a dataset's folder is complete, by the one rule that its input names. Pure.

Whichever the rule, at least one data file must be there, and every name must be fit to be staged. Quiet times are
measured on the lake's own clock, which is the one that wrote the files' times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from slipway.definition import Complete
from slipway.duration import duration_text
from slipway.listing import Folder, Listing
from slipway.names import InvalidName, relative_path, shown

#: A marker may have been written before its data, by parallel tasks, or be left from an earlier delivery. Where data
#: are younger than their marker, they must have rested for so long.
MARKER_OVERTAKEN = timedelta(minutes=1)
#: A staged file's path holds the run's folder too; a longer or deeper name would not fit into the lake's limits.
_LONGEST_NAME, _DEEPEST_NAME = 780, 50


def missing(folder: Folder, listing: Listing, complete: Complete) -> tuple[str | None, datetime | None]:
    """What a folder lacks, in words people understand, and when time alone will change that (aware UTC).

    None and None for a complete folder.
    """
    names = [entry.name for entry in listing.data(complete.marker)]
    count = "1 file" if len(names) == 1 else f"{len(names)} files"
    if refused := next((name for name in names if not _can_be_staged(name)), None):
        return f"{folder} holds a file whose name is not accepted: {shown(refused)}", None
    if not names:
        return f"{folder} has no data", None
    if complete.marker is not None and listing.marker(complete.marker) is None:
        return f"{folder} has {count} but no {complete.marker}", None
    if complete.files is not None and len(names) < complete.files:
        return f"{folder} has {count} of {complete.files}", None
    return _restless(folder, listing, complete)


def _restless(folder: Folder, listing: Listing, complete: Complete) -> tuple[str | None, datetime | None]:
    """Whether the youngest file is too young to be the last one, and until when it is."""
    youngest = max(entry.modified for entry in listing.data(complete.marker))
    marker = listing.marker(complete.marker) if complete.marker else None
    if complete.quiet:
        wait, why = complete.quiet, "is not quiet yet"
    elif marker and marker.modified < youngest:
        wait, why = MARKER_OVERTAKEN, f"changed after its {complete.marker}"
    else:
        return None, None
    if listing.found_at - youngest >= wait:
        return None, None
    changed = f"{youngest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{folder} {why}: last change {changed}, must rest for {duration_text(wait)}", youngest + wait


def _can_be_staged(name: str) -> bool:
    try:
        relative_path(name)
    except InvalidName:
        return False
    return len(name) <= _LONGEST_NAME and name.count("/") < _DEEPEST_NAME
