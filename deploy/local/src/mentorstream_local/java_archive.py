"""Java's start-up archive of Kafka's classes: with it a broker needs a third of the processor time to start.

Java writes it (an "AOT cache", JEP 483) when a process ends that was told to record itself. So the first broker on a
machine is started once for that alone, which takes some ten seconds, and the archive is kept beside the jars. It is a
matter of speed only: without one, or with one that does not fit, Java starts as ever.
"""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mentorstream_local.daemons import StartError
from mentorstream_local.paths import cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_KEPT: Final = 7


def startup_archive(command: Sequence[str], record: Callable[[Path, Path], None]) -> Path | None:
    """The archive for this command line of Java, made when there is none; None where making it failed once.

    `command` is all that decides which archive fits: the program, its options, the class path. `record` runs a broker
    in the directory given first, from start to orderly end, and has it write the archive to the path given second.
    """
    home = cache_directory() / "java"
    home.mkdir(parents=True, exist_ok=True)
    program = Path(command[0]).resolve().stat()
    identity = repr((*command, program.st_size, program.st_mtime_ns))
    archive = home / f"kafka-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.aot"
    with (home / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # one process records; the others wait and find it
        if not archive.exists():
            _make(archive, record)
        # An empty one says that it was tried and did not work: nobody tries again at each start. Asked under the lock:
        # another environment on this machine, with another Java, may remove it.
        return archive if archive.stat().st_size else None


def _make(archive: Path, record: Callable[[Path, Path], None]) -> None:
    # Those of other jars, another Java or another place; some are kept, for a machine may have several environments.
    for old in sorted(archive.parent.glob("kafka-*.aot"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        old.unlink()
    partial = archive.with_suffix(".partial")
    for left in archive.parent.glob("kafka-*.partial*"):
        left.unlink()  # by whoever was killed while at it
    with tempfile.TemporaryDirectory(prefix="mentorstream-java-") as directory:
        try:
            record(Path(directory), partial)
        except (StartError, OSError):
            partial.unlink(missing_ok=True)
    if partial.exists():
        partial.replace(archive)  # a reader sees the whole of it or nothing
    else:
        archive.touch()
