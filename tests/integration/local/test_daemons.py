"""A process of the stack is found again by its mark, and a stranger with its pid is left alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from mentorstream_local.daemons import Daemon, PortTakenError, ProcessMark, StartError, port_is_open
from mentorstream_local.services import MailSinkProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


class _Listener(Daemon):
    """Listens on its port and does nothing else."""

    def __init__(self, directory: Path, program: str = _LISTEN) -> None:
        super().__init__("listener", directory)
        self._program = program

    def _prepare(self, ports: Mapping[str, int]) -> None:
        pass

    def _command(self, ports: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-c", self._program, str(ports["port"])], os.environ

    def _is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        return port_is_open(ports["port"])


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[_Listener]:
    daemon = _Listener(tmp_path / "listener")
    yield daemon
    daemon.kill()


def _write_mark(daemon: Daemon, mark: ProcessMark, port: int = 20_000) -> None:
    daemon.directory.mkdir(parents=True, exist_ok=True)
    state = {"ports": {"port": port}, "mark": vars(mark)}
    (daemon.directory / "process.json").write_text(json.dumps(state))


def test_another_object_finds_and_stops_what_one_started(listener: _Listener) -> None:
    listener.start()
    found = _Listener(listener.directory)
    process = found.process()
    assert process is not None
    assert found.state() == "running"
    found.stop()
    assert not psutil.pid_exists(process.pid)
    assert (listener.state(), listener.exit_code) == ("stopped", -signal.SIGTERM)


def test_starting_twice_starts_one(listener: _Listener) -> None:
    listener.start()
    first = listener.mark()
    _Listener(listener.directory).start()
    assert listener.mark() == first


def test_a_mark_of_a_process_that_ended_is_stale(listener: _Listener) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as gone:
        mark = ProcessMark.of(gone.pid)
        gone.communicate(b"\n")
    _write_mark(listener, mark)
    assert listener.state() == "stale"
    listener.stop()
    assert listener.state() == "stopped"


def test_a_stranger_with_the_recorded_pid_is_not_touched(listener: _Listener) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        _write_mark(listener, ProcessMark(stranger.pid, psutil.Process(stranger.pid).create_time() - 60))
        assert listener.state() == "stale"
        listener.stop()
        listener.kill()
        with pytest.raises(RuntimeError, match="not running"):
            listener.freeze()
        assert stranger.poll() is None
        stranger.communicate(b"\n")
        assert stranger.returncode == 0


def test_a_stale_mark_does_not_hinder_a_start(listener: _Listener) -> None:
    _write_mark(listener, ProcessMark(os.getpid(), 0.0))
    listener.start()
    assert listener.state() == "running"


def test_restart_comes_up_on_the_same_port(listener: _Listener) -> None:
    listener.start()
    port, first = listener.ports["port"], listener.mark()
    listener.kill()
    listener.restart()
    assert listener.ports["port"] == port
    assert listener.mark() != first


def test_a_frozen_process_keeps_its_port_and_can_be_thawed_or_stopped(listener: _Listener) -> None:
    listener.start()
    process = listener.process()
    assert process is not None
    listener.freeze()
    assert process.status() == psutil.STATUS_STOPPED
    assert listener.state() == "running"
    listener.thaw()
    listener.freeze()
    listener.stop()
    assert not process.is_running()


def test_it_moves_when_its_old_port_is_taken_but_restart_insists(listener: _Listener) -> None:
    listener.start()
    listener.stop()
    port = listener.ports["port"]
    with socket.create_server(("127.0.0.1", port)):
        listener.start()
        assert listener.ports["port"] != port
    listener.stop()


def test_a_failed_start_says_what_the_log_says_and_leaves_nothing(tmp_path: Path) -> None:
    broken = _Listener(tmp_path, "import sys; sys.exit('the configuration makes no sense')")
    with pytest.raises(StartError, match="the configuration makes no sense"):
        broken.start()
    assert broken.state() == "stopped"
    assert broken.exit_code == 1


def test_a_start_that_lasts_too_long_is_given_up(tmp_path: Path) -> None:
    sleeper = _Listener(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(StartError, match="not ready within"):
        sleeper.start(timeout_seconds=0.2)
    assert sleeper.state() == "stopped"


def test_a_taken_port_is_told_apart(tmp_path: Path) -> None:
    unlucky = _Listener(tmp_path, "import sys; sys.exit('[Errno 98] Address already in use')")
    with pytest.raises(PortTakenError):
        unlucky.start()


def test_the_mail_sink_runs_as_a_process(tmp_path: Path) -> None:
    sink = MailSinkProcess(tmp_path)
    ports = sink.reserve_ports()
    sink.start()
    try:
        assert sink.ports == ports
        assert port_is_open(ports["port"])
    finally:
        sink.stop()
    assert sink.exit_code in (0, -signal.SIGTERM)
