"""Finds the Chromium that the browser tests drive, and installs it where that takes no more than root and apt-get.

    python -m tests.support.chromium [--install]

prints its path, or says what to do and exits with 1. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
_ADVICE = """Chromium was not found; the browser tests need it. Install it:
    Debian, as root:  apt-get update && apt-get install --yes chromium
    Fedora, as root:  dnf install chromium
    macOS:            brew install --cask google-chrome
or name one: MENTORSTREAM_CHROMIUM=/path/to/chromium"""


class ChromiumMissingError(RuntimeError):
    """There is no Chromium that runs. The message says what to do."""


def chromium_executable() -> str:
    """The path of a Chromium that runs: MENTORSTREAM_CHROMIUM, else the first one found.

    Raises `ChromiumMissingError`.
    """
    named = os.environ.get("MENTORSTREAM_CHROMIUM")
    if named:
        if not _runs(named):
            raise ChromiumMissingError(f"MENTORSTREAM_CHROMIUM={named} does not run")
        return named
    for name in (*_NAMES, _MAC):
        path = shutil.which(name)
        # Ubuntu's package is a script that only tells people to install a snap: a name is no proof.
        if path is not None and _runs(path):
            return path
    raise ChromiumMissingError(_ADVICE)


def install_chromium() -> None:
    """Install the distribution's package, with apt-get and as root. Raises `ChromiumMissingError` elsewhere."""
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        raise ChromiumMissingError(_ADVICE)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        outcome = subprocess.run(  # noqa: S603 - fixed arguments
            [apt_get, "--quiet=2", *arguments], env=environment, stdout=sys.stderr, check=False
        )
        if outcome.returncode != 0:
            raise ChromiumMissingError(f"apt-get {' '.join(arguments)} failed (see above).\n{_ADVICE}")


def _runs(path: str) -> bool:
    try:
        outcome = subprocess.run(  # noqa: S603 - asks a browser for its version
            [path, "--version"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return outcome.returncode == 0


def main(arguments: list[str]) -> int:
    """Print the path; with --install, install it first where it is missing."""
    try:
        try:
            print(chromium_executable())  # noqa: T201 - this is the command's result
        except ChromiumMissingError:
            if "--install" not in arguments or os.environ.get("MENTORSTREAM_CHROMIUM"):
                raise
            print("installing chromium with apt-get", file=sys.stderr)  # noqa: T201
            install_chromium()
            print(chromium_executable())  # noqa: T201
    except ChromiumMissingError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
