"""Failures as values: what went wrong, whose concern it is, and whether trying again may help.

Every foreseen failure leaves an activity as a `Failure`; only bugs raise anything else. The message is redacted when
the value is made, so no history, log, record or incident can hold a secret that a service put into its error text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

#: How long a redacted text may be.
LONGEST_MESSAGE = 1000
#: How much of a text is looked at; beyond this, redaction would only cost time.
_LONGEST_READ = 20_000

_SECRETS = [
    # The signature of a shared access signature, function keys, OAuth codes, in an address or a form.
    (
        re.compile(r"(?i)\b(sig|code|skoid|sktid|client_secret|access_token|refresh_token|api[-_]?key)=[^&\s\"'<>]+"),
        r"\1=",
    ),
    # Connection strings and their kin.
    (
        re.compile(
            r"(?i)\b(AccountKey|SharedAccessKey|SharedAccessSignature|InstrumentationKey|Password|Pwd)\s*=\s*[^;\s\"']+"
        ),
        r"\1=",
    ),
    # Secrets as JSON or YAML fields and as headers.
    (
        re.compile(
            r"(?i)([\"']?(?:x-functions-key|x-identity-header|aeg-sas-key|access_token|refresh_token|client_secret"
            r"|password|accountKey|secret)[\"']?\s*:\s*[\"']?)[^\s\"',}]+"
        ),
        r"\1",
    ),
    # Authorization headers.
    (re.compile(r"(?i)\b(Bearer|SharedKey(?:Lite)?|Basic)\s+[A-Za-z0-9._~+/:=-]{8,}"), r"\1 "),
    # JSON Web Tokens wherever they stand.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"), ""),
    # 32 and 64 byte keys in base64, as storage accounts and Functions have them.
    (re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{42,}={1,2}"), ""),
]
# A line of a table quoted in an error: six or more fields with nothing but a separator between them.
_ROW = re.compile(r"(?<![^\s,;|])[^\s,;|]*(?:[,;|\t][^\s,;|]*){5,}")
# Long quoted text is somebody's data, not a name; the closing quote may have been cut off. A mark behind a word closes
# a quotation or is an apostrophe: what follows it is the message itself. One letter before it is Python's b'' and kin.
_OPENING = r"(?:(?<!\w)|(?<=\b[bBfFrRuU]))"
_QUOTED = re.compile(rf"{_OPENING}'[^'\n]{{81,}}(?:'|\Z|\n)|{_OPENING}\"[^\"\n]{{81,}}(?:\"|\Z|\n)")


class Kind(StrEnum):
    """Whose concern a failure is."""

    DATA = "data"  #: the inputs or the outputs are not as the definition says
    MODEL = "model"  #: the model's own code
    PLATFORM = "platform"  #: compute, quota, storage, identity
    SLIPWAY = "slipway"  #: this program


@dataclass(frozen=True)
class Failure:
    """One foreseen failure.

    `code` is stable and made for queries (`input-changed`), `message` is for people and always redacted, `transient`
    says that trying again may help, `retry_after` is the wait in seconds that the service asked for.
    """

    kind: Kind
    code: str
    message: str
    transient: bool = False
    retry_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        object.__setattr__(self, "message", redact(self.message))

    def __str__(self) -> str:
        return f"{self.kind}/{self.code}: {self.message}"

    def to_document(self) -> dict[str, Any]:
        """The failure as plain JSON, as activities return it and records keep it."""
        return asdict(self) | {"kind": self.kind.value}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Failure:
        """Read back what `to_document` wrote; fields that a later version added are ignored."""
        return cls(
            Kind(document["kind"]),
            document["code"],
            document["message"],
            bool(document.get("transient", False)),
            document.get("retry_after"),
        )


class Failed(Exception):
    """Carries a Failure up to the activity that returns it as a value."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def redact(text: str) -> str:
    """Make a text from outside fit for histories, logs, records and incidents.

    Signatures, tokens, keys, passwords and `code=` become `[redacted]`; long quoted texts and rows of tables become
    `[data]`, since error messages quote the value they stumbled over; control characters and line breaks are escaped;
    what is left is cut to 1,000 characters. Redacting twice changes nothing more.
    """
    if len(text) > _LONGEST_READ:
        # The last word may be half a secret that no pattern knows any more.
        text = text[:_LONGEST_READ].rpartition(" ")[0] or "[data]"
    for pattern, kept in _SECRETS:
        text = pattern.sub(kept + "[redacted]", text)
    text = _QUOTED.sub("[data]", text)
    text = _ROW.sub("[data]", text)
    text = "".join(_escaped(character) for character in text)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _escaped(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character
