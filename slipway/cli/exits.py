"""What the commands' exit codes mean."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """2 is the command line parser's own: a usage error."""

    OK = 0  #: done, or nothing was left to do
    INVALID = 1  #: a definition breaks a rule; nothing was changed
    SETTINGS = 3  #: a setting is missing or wrong; nothing was changed
    REFUSED = 4  #: Azure refused or did not answer; nothing is released, doing it again is safe
