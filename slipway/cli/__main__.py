"""`python -m slipway.cli`: the command line."""

from __future__ import annotations

from slipway.cli import app

if __name__ == "__main__":
    app(prog_name="slipway")
