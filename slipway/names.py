"""Names and paths from outside, checked once at the edge: what passes here is trusted behind it.

Names are matched against an allow-list and refused, never cleaned: two spellings of one thing would be two things.
"""

from __future__ import annotations

import re
import unicodedata

#: What a model may be called: it becomes a folder, part of a run's id, and an Azure ML job's name.
MODEL_PATTERN = r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,39}"
#: What inputs and outputs may be called: they become folders and `${{inputs.<name>}}` in a job's command.
PORT_PATTERN = r"[a-z][a-z0-9_]{0,39}"
#: What reader groups and owners may be called; each environment maps reader names to group ids.
GROUP_PATTERN = r"[a-z][a-z0-9-]{0,62}"
#: What a person's request may be called: it becomes the name of a record.
REQUEST_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
#: A backfill's id: made from the request that planned it.
BACKFILL_PATTERN = r"bf-[0-9a-f]{10}"
#: A definition's version: the first twelve hex digits of its content's hash.
VERSION_PATTERN = r"[0-9a-f]{12}"
#: An Azure ML compute target, or the size of a serverless job's machine. Source: "Create an Azure ML compute cluster".
COMPUTE_PATTERN = r"[A-Za-z][A-Za-z0-9_-]{1,31}"
#: A filesystem (container). Source: "Naming and referencing containers, blobs, and metadata".
FILESYSTEM_PATTERN = r"(?=.{3,63}\Z)[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9]))*"

# Source: "Naming and referencing containers, blobs, and metadata"; "Scalability and performance targets" for depth.
_LONGEST_PATH, _LONGEST_SEGMENT, _DEEPEST_PATH = 1024, 255, 63
_ENCODED = re.compile(r"%(?:2f|5c|2e|00)", re.IGNORECASE)


class InvalidName(ValueError):
    """A name or path from outside that breaks its rule. The message names the rule and shows the text, escaped."""


def model_name(text: str) -> str:
    """Return `text` if a model may be called so, else raise InvalidName."""
    return _checked(text, MODEL_PATTERN, "a model's name", "[a-z][a-z0-9-]{0,39}, without -- and without - at its end")


def port_name(text: str) -> str:
    """Return `text` if an input or output may be called so, else raise InvalidName."""
    return _checked(text, PORT_PATTERN, "the name of an input or output", PORT_PATTERN)


def group_name(text: str) -> str:
    """Return `text` if a reader group or owner may be called so, else raise InvalidName."""
    return _checked(text, GROUP_PATTERN, "the name of a reader group or owner", GROUP_PATTERN)


def request_id(text: str) -> str:
    """Return `text` if a person's request may be called so, else raise InvalidName."""
    return _checked(text, REQUEST_PATTERN, "a request's id", REQUEST_PATTERN)


def backfill_id(text: str) -> str:
    """Return `text` if it is a backfill's id, else raise InvalidName."""
    return _checked(text, BACKFILL_PATTERN, "a backfill's id", "bf- and ten hex digits")


def version(text: str) -> str:
    """Return `text` if it is a definition's version, else raise InvalidName."""
    return _checked(text, VERSION_PATTERN, "a definition's version", VERSION_PATTERN)


def filesystem_name(text: str) -> str:
    """Return `text` if a filesystem may be called so, else raise InvalidName."""
    return _checked(text, FILESYSTEM_PATTERN, "a filesystem's name", "3 to 63 of [a-z0-9] and single inner hyphens")


def relative_path(text: str) -> str:
    """Return `text` if it is a path that stays where it begins, else raise InvalidName.

    The text is taken as decoded already, exactly once: what still looks like an encoded separator or dot is refused,
    as are empty, `.` and `..` segments, back-slashes, control characters, segments that end in a dot, and what the
    lake's own limits forbid. No leading or trailing slash.
    """
    segments = text.split("/")
    if len(text) > _LONGEST_PATH or len(segments) > _DEEPEST_PATH or any(len(s) > _LONGEST_SEGMENT for s in segments):
        raise InvalidName(
            f"path {shown(text)} is longer or deeper than the lake allows "
            f"({_LONGEST_PATH} characters, {_DEEPEST_PATH} segments of {_LONGEST_SEGMENT})"
        )
    if any(segment == "" or segment.endswith(".") for segment in segments):
        raise InvalidName(f"path {shown(text)} has a segment that is empty, or ends in a dot")
    if "\\" in text or _ENCODED.search(text) or _has_control(text):
        raise InvalidName(f"path {shown(text)} holds a back-slash, a control character or an encoded separator")
    return text


def shown(text: str) -> str:
    """A hostile text made fit for a message: quoted, ASCII only, at most about 80 characters."""
    return ascii(text if len(text) <= 80 else text[:80] + "...")


def _checked(text: str, pattern: str, what: str, rule: str) -> str:
    if re.fullmatch(pattern, text, re.ASCII) is None:
        raise InvalidName(f"{shown(text)} is not {what}: it must be {rule}")
    return text


def _has_control(text: str) -> bool:
    if text.isascii() and text.isprintable():
        return False  # nearly every name, of which a listing may have a hundred thousand
    # Cc are control characters, Cf invisible ones such as direction marks, Cs lone surrogates, Zl and Zp line breaks.
    return any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text)
