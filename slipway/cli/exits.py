"""What the commands' exit codes mean."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Of `validate` and `release`. 2 is the command line parser's own: a usage error."""

    OK = 0  #: done, or nothing was left to do
    INVALID = 1  #: a definition breaks a rule; nothing was changed
    SETTINGS = 3  #: a setting is missing or wrong; nothing was changed
    REFUSED = 4  #: Azure refused or did not answer; nothing is released, doing it again is safe


class Asked(IntEnum):
    """Of the commands that ask the app's API."""

    OK = 0  #: answered, or carried out
    REFUSED = 1  #: the API refused or failed; its problem is printed
    USAGE = 2  #: wrong use, also an environments.yaml that breaks a rule
    UNREACHABLE = 3  #: nobody answered, or nobody is signed in
    PERSON = 4  #: with --check: something needs a person
