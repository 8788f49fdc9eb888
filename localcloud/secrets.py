"""The local cloud's secrets: made once, kept in the state folder, readable by its owner alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

#: The keys the Functions host knows: two host keys and the system keys of its two webhooks.
FUNCTION_KEYS = ("master", "default", "eventgrid_extension", "durabletask_extension")


@dataclass(frozen=True)
class Secrets:
    """What signs tokens and opens webhooks; shared by the processes of one local cloud through ``secrets.json``."""

    signing_key: str
    function_keys: dict[str, str]

    @classmethod
    def load(cls, state: Path) -> Secrets:
        """Read ``<state>/secrets.json``, making it (mode 0600) when there is none."""
        path = state / "secrets.json"
        if not path.exists():
            _write(path, _generate())
        return cls(**json.loads(path.read_text()))

    def identity_header(self, principal: str) -> str:
        """Return the value of ``IDENTITY_HEADER`` that stands for ``principal`` at the token endpoint."""
        digest = hmac.digest(self.signing_key.encode(), f"identity-header:{principal}".encode(), hashlib.sha256)
        return str(uuid.UUID(bytes=digest[:16])).upper()


def _generate() -> Secrets:
    keys = {name: base64.urlsafe_b64encode(secrets.token_bytes(40)).decode() for name in FUNCTION_KEYS}
    return Secrets(signing_key=secrets.token_hex(32), function_keys=keys)


def _write(path: Path, made: Secrets) -> None:
    """Write under another name first, so that a kill leaves either no file or a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(made), file)
    draft.rename(path)
