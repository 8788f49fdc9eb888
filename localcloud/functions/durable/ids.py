"""Which texts may be instance ids. Source: azure-functions-durable-extension, ``DurableClient.cs``."""

from __future__ import annotations

import unicodedata

LONGEST_ID = 256
_FORBIDDEN = "/\\#?"


def problem_with_id(instance_id: str) -> str | None:
    """Say why ``instance_id`` is none, or return None."""
    if not instance_id:
        return "An instance id must not be empty."
    if len(instance_id) > LONGEST_ID:
        return f"Instance IDs must not be longer than {LONGEST_ID} characters; this one has {len(instance_id)}."
    if instance_id.startswith("@"):
        return "Orchestration instance IDs must not start with @."
    if any(c in _FORBIDDEN or unicodedata.category(c) == "Cc" for c in instance_id):
        return "Orchestration instance IDs must not contain /, \\, #, ?, or control characters."
    return None
