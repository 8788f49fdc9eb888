"""``python -m localcloud``: see :mod:`localcloud.cli`."""

from __future__ import annotations

from localcloud.cli import main

if __name__ == "__main__":
    main()
