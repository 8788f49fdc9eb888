"""Build the deployment package: the app without what `.funcignore` names, and on request its dependencies.

    python pipelines/package.py dist/slipway             the folder dist/slipway
    python pipelines/package.py --vendor dist/slipway    the same with .python_packages/, and dist/slipway.zip

Deployments to Flex Consumption are not built remotely, so the zip must bring its dependencies, made on Linux with the
app's Python version. `.funcignore` is read here because the pipelines' archive task does not read it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

#: Where the Functions worker looks for dependencies.
SITE_PACKAGES = Path(".python_packages/lib/site-packages")


def shipped(app: Path) -> Iterator[Path]:
    """Yield the files of the package, relative to the app's folder, without following links."""
    ignored = GitIgnoreSpec.from_lines((app / ".funcignore").read_text(encoding="utf-8").splitlines())
    folders = [app]
    while folders:
        for entry in sorted(folders.pop().iterdir()):
            path = entry.relative_to(app)
            if entry.is_symlink() or ignored.match_file(f"{path.as_posix()}/" if entry.is_dir() else path.as_posix()):
                continue
            if entry.is_dir():
                folders.append(entry)
            else:
                yield path


def build(app: Path, folder: Path) -> None:
    """Make `folder` the deployment package of the app, without its dependencies. What was there is removed."""
    files = list(shipped(app))
    shutil.rmtree(folder, ignore_errors=True)
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(app / path, folder / path)


def vendor(folder: Path) -> None:
    """Install the package's requirements.txt into it, for this machine's Python and platform."""
    requirements = str(folder / "requirements.txt")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / SITE_PACKAGES)]
    subprocess.run([*command, "-r", requirements], check=True)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description="Build the deployment package of the Function App.")
    parser.add_argument("folder", type=Path, help="made anew")
    parser.add_argument("--vendor", action="store_true", help="install the dependencies into it, and zip it")
    arguments = parser.parse_args()
    build(Path(__file__).parent.parent, arguments.folder)
    if arguments.vendor:
        vendor(arguments.folder)
        shutil.make_archive(str(arguments.folder), "zip", arguments.folder)


if __name__ == "__main__":
    main()
