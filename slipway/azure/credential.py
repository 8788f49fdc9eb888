"""The one credential of the process."""

from __future__ import annotations

from functools import cache

from azure.identity import DefaultAzureCredential


@cache
def credential() -> DefaultAzureCredential:
    """Return the process's credential: the app's managed identity, or on a desk whoever is signed in.

    One for all clients, because each instance has a token cache of its own. It may be used from any thread.
    """
    return DefaultAzureCredential()
