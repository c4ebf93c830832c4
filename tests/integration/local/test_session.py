"""A test session leaves no server behind, also when somebody presses Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_ENDLESS_TEST = """
import os, pathlib, time

def test_endless(servers):
    pathlib.Path(os.environ["STARTED_FILE"]).touch()
    time.sleep(250)
"""


@pytest.mark.serial
@pytest.mark.parametrize("workers", ["0", "2"], ids=["alone", "xdist"])
def test_ctrl_c_stops_the_shared_servers(tmp_path: Path, workers: str) -> None:
    tests, temporary, started = tmp_path / "test_endless.py", tmp_path / "temporary", tmp_path / "started"
    tests.write_text(_ENDLESS_TEST)
    temporary.mkdir()
    arguments = ["-p", "tests.support.plugin", "-p", "no:cacheprovider", "-n", workers, f"--rootdir={_ROOT}"]
    with subprocess.Popen(  # noqa: S603 - the test above
        [sys.executable, "-m", "pytest", *arguments, "-c", str(_ROOT / "pyproject.toml"), str(tests)],
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "STARTED_FILE": str(started)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # so that the signal reaches its workers too, as from a terminal, and not us
        # A shell that runs us in the background ignores Ctrl-C on our behalf, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as session:
        deadline = time.monotonic() + 120
        while not started.exists() and session.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        homes = list(temporary.glob("mentorstream-*/*/kafka"))
        os.killpg(session.pid, signal.SIGINT)
        assert session.wait(60) == pytest.ExitCode.INTERRUPTED
    assert len(homes) == 1
    assert [path for path in temporary.glob("mentorstream-*/*") if path.is_dir()] == []
