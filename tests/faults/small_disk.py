"""A small file system for a database, so that its disk can be filled without filling anybody else's.

A tmpfs, mounted in whichever way this machine allows: as root, by sudo without a password, or in a user namespace of
a helper process, through whose view of the file system it is reached. Nothing else is changed on the machine.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_BLOCK: Final = b"\0" * 65536
_BALLAST: Final = "ballast"


class SmallDisk:
    """The file system below `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave not a byte free. Whoever has preallocated something may still write there."""
        with (self.path / _BALLAST).open("ab", buffering=0) as ballast:
            for size in (len(_BLOCK), 4096):
                with contextlib.suppress(OSError):
                    while True:
                        ballast.write(_BLOCK[:size])

    def free(self) -> None:
        """Give all of it back."""
        (self.path / _BALLAST).unlink()


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A file system of that size, gone at the end. Raises RuntimeError where none of the ways works."""
    # 0711: PostgreSQL may run as another user, as it does below every stack's directory.
    options = f"size={megabytes}m,mode=0711,uid={os.getuid()},gid={os.getgid()}"
    with tempfile.TemporaryDirectory(prefix="mentorstream-disk-", ignore_cleanup_errors=True) as directory:
        point = Path(directory)
        point.chmod(0o711)
        refusals = []
        for prefix in ([], ["sudo", "-n"]):
            mounting = _ran([*prefix, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)])
            if mounting.returncode == 0:
                try:
                    yield SmallDisk(point)
                finally:
                    _ran([*prefix, "umount", "-l", str(point)])
                return
            refusals.append(mounting.stderr.strip())
        # Its own user is root there, and may mount; from outside its files are ours.
        script = f"mount -t tmpfs -o size={megabytes}m,mode=0711 tmpfs '{point}' && echo mounted && exec sleep infinity"
        holder = subprocess.Popen(  # noqa: S603 - our own arguments
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],  # noqa: S607 - wherever it lies
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert holder.stdout is not None
            said = holder.stdout.readline().strip()
            if said != "mounted":
                raise RuntimeError(f"no tmpfs can be mounted here: {'; '.join([*refusals, said])}")
            yield SmallDisk(Path(f"/proc/{holder.pid}/root{point}"))
        finally:
            holder.kill()
            holder.communicate()


def _ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))
