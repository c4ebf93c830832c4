"""Run a program as an ordinary user when we are root: PostgreSQL refuses to run as root, and is right to.

    python unprivileged.py UID GID [--reach-through] -- PROGRAM ARGUMENTS...

With `--reach-through` the program keeps one capability of root's, CAP_DAC_OVERRIDE, so that it finds its files below
directories that are closed to others (a checkout in /root). Nobody's file modes are changed for that. Standard library
only and no imports of ours: it is run as a file, and replaces itself with the program.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def main(arguments: list[str]) -> None:
    """Change to the user, then become the program. Raises `OSError` where the kernel refuses."""
    split = arguments.index("--")
    uid, gid = int(arguments[0]), int(arguments[1])
    reach_through = "--reach-through" in arguments[2:split]
    libc = ctypes.CDLL(None, use_errno=True) if reach_through else None
    if libc is not None:
        _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if libc is not None:
        _keep_dac_override(libc)
    program = arguments[split + 1]
    os.execv(program, arguments[split + 1 :])  # noqa: S606 - that is what this file is for


def _keep_dac_override(libc: ctypes.CDLL) -> None:
    # capset(2), version 3: effective, permitted and inheritable, as two 32-bit halves. Then ambient, so that it
    # outlives the exec of a program that knows nothing of capabilities.
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    bit = 1 << _CAP_DAC_OVERRIDE
    _checked(libc.capset(header, struct.pack("=6I", bit, bit, bit, 0, 0, 0)))
    _checked(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"keeping CAP_DAC_OVERRIDE: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
