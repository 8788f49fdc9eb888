"""Commands that sleep, by which tests know their jobs' processes among all of the machine."""

from __future__ import annotations

import os

import psutil


def nap(seconds: int) -> str:
    """Return a command that sleeps for so long, and that no other test run has: they may share the machine."""
    return f"sleep {seconds}.{os.getpid()}"


def running(command: str) -> list[psutil.Process]:
    """Return the processes whose command line ends in this one."""
    found, words = [], command.split()
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cmdline()[-len(words) :] == words:
                found.append(process)
        except psutil.Error:
            continue
    return found
