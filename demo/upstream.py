"""The upstream system: writes files into the landing filesystem, knowing nothing of Slipway."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from azure.storage.filedatalake import FileSystemClient


class Upstream:
    """Writes to `landing`, one file after the other; `written` is called after each."""

    def __init__(self, landing: FileSystemClient, written: Callable[[], None]) -> None:
        self._landing = landing
        self._written = written

    def land(self, files: Mapping[str, bytes]) -> None:
        """Write files in their order, over what is there; an empty one is a marker."""
        for path, content in files.items():
            client = self._landing.get_file_client(path)
            if content:
                client.upload_data(content, overwrite=True)
            else:
                client.create_file()
            self._written()
