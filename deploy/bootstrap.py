"""Makes `.venv`: every package of requirements-dev.lock, checked by hash, and ours on top, editable and compiled.

Run by bootstrap.sh, with whatever Python the machine has: standard library only. A stamp holds the digest of all that
the environment is made from, so a second run does nothing. uv does the installing; it is itself installed by pip into a
small environment of its own below `.cache`, by hash, and nowhere else on the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-dev.lock"
UV_REQUIREMENTS = ROOT / "deploy" / "requirements-bootstrap.txt"
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "mentorstream.stamp"
CACHE = ROOT / ".cache"


def main() -> None:
    """Bring `.venv` up to date. Exits with 1 and a plain message where that cannot be done."""
    patterns = ("libs/*", "services/*", "deploy/local")
    packages = sorted(path.parent for pattern in patterns for path in ROOT.glob(f"{pattern}/pyproject.toml"))
    wanted = _digest([Path(__file__), LOCK, UV_REQUIREMENTS, *(package / "pyproject.toml" for package in packages)])
    CACHE.mkdir(exist_ok=True)
    with _one_at_a_time():
        if _is_current(wanted):
            return
        started = time.monotonic()
        uv = _uv()
        if not _works(ENVIRONMENT / "bin" / "python"):
            _say(f"creating .venv with Python {sys.version.split()[0]}")
            _run("create .venv", uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT))
        _say("installing the locked packages (the first time some 200 MB are downloaded)")
        install = (uv, "pip", "install", "--quiet", "--python", str(ENVIRONMENT / "bin" / "python"))
        _run("install the locked packages", *install, "--require-hashes", "-r", str(LOCK))
        editable = [part for package in packages for part in ("--editable", str(package))]
        _run("install Mentorstream's packages", *install, "--no-deps", "--no-build-isolation", *editable)
        # Matching would do it at its first start, for longer than whoever starts it waits, and twice where two start.
        _say("compiling the loops of matching (once, some twenty seconds)")
        compiling = "from matching.domain.warming import compile_now; compile_now()"
        _run("compile the loops of matching", str(ENVIRONMENT / "bin" / "python"), "-c", compiling)
        STAMP.write_text(wanted)
        _say(f"environment ready ({time.monotonic() - started:.0f} s)")


def _is_current(wanted: str) -> bool:
    return STAMP.exists() and STAMP.read_text() == wanted and _works(ENVIRONMENT / "bin" / "python")


def _works(python: Path) -> bool:
    """Whether the environment's interpreter still runs: it does not when the Python it was made from is gone."""
    if not python.exists():
        return False
    accepted = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))"
    return subprocess.run([python, "-I", "-c", accepted], check=False, capture_output=True).returncode == 0  # noqa: S603


def _uv() -> str:
    home = CACHE / f"uv-{_digest([UV_REQUIREMENTS])[:16]}"
    uv = home / "bin" / "uv"
    if uv.exists():
        return str(uv)
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        _fail(
            f"{sys.executable} cannot make environments. On Debian and Ubuntu, as root: apt-get install {version}-venv"
        )
    _say("installing uv")
    shutil.rmtree(home, ignore_errors=True)
    _run("make an environment for uv", sys.executable, "-I", "-m", "venv", str(home))
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")
    try:
        _run("install uv", str(home / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(UV_REQUIREMENTS))
    except SystemExit:
        shutil.rmtree(home)
        raise
    return str(uv)


def _run(what: str, *command: str) -> None:
    environment = {
        **os.environ,
        "UV_PYTHON_DOWNLOADS": "never",
        # The cache and the environment may lie on different file systems, where uv cannot link and would warn.
        "UV_LINK_MODE": "copy",
    }
    for misleading in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"):
        environment.pop(misleading, None)
    if not os.environ.get("HOME"):
        environment["UV_CACHE_DIR"] = str(CACHE / "uv")
    outcome = subprocess.run(command, env=environment, cwd=ROOT, check=False)  # noqa: S603 - our own commands
    if outcome.returncode != 0:
        _fail(
            f"could not {what} (see above). If the network is the reason: proxies are taken from HTTPS_PROXY,"
            " certificates from SSL_CERT_FILE, a package index of your own from UV_DEFAULT_INDEX and PIP_INDEX_URL."
        )


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (CACHE / "bootstrap.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(f"setup: {line}", flush=True)  # noqa: T201 - a command, before any library is there


def _fail(message: str) -> None:
    print(f"setup: {message}", file=sys.stderr)  # noqa: T201
    raise SystemExit(1)


if __name__ == "__main__":
    main()
