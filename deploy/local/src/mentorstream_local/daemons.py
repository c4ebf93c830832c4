"""One process of the local stack: started detached, found again later, and stopped without mistaking another for it.

A pid alone says little: the process may be gone and its number given to a stranger. So the state file next to each
process holds the pid together with the moment the process started, and nothing is ever signalled unless both agree.
Nothing here looks for processes by name.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

State = Literal["running", "stopped", "stale"]

# Start times are derived from the machine's boot time, which moves when its clock is set. A recycled pid within this
# window would need the whole pid space to wrap around in it.
_START_TIME_TOLERANCE_SECONDS = 2.0
_POLL_SECONDS = 0.02
_READY_POLL_SECONDS = 0.05  # asking takes time from whoever is starting
# Below the range that kernels hand to outgoing connections, so that no client socket sits on a chosen port.
_PORT_RANGE = range(20_000, 30_000)
_SHOWN_CHARACTERS = 600  # of a log line in a message: a traceback in JSON is one line
_LOG_LIMIT_BYTES = 20 * 1024 * 1024
# How children of this process ended, by pid: the kernel tells it once only.
_exit_codes: dict[int, int] = {}


class StartError(RuntimeError):
    """A part of the stack did not come up. The message ends with the last lines of its log."""


class PortTakenError(StartError):
    """A part did not come up because somebody else listens on its port."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens now. Somebody may take it before it is used."""
    for port in random.sample(_PORT_RANGE, 200):
        if port_is_free(port):
            return port
    raise StartError(f"no free port found between {_PORT_RANGE.start} and {_PORT_RANGE.stop}")


def port_is_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be bound now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def port_is_open(port: int) -> bool:
    """Whether somebody accepts connections on 127.0.0.1:port now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class ProcessMark:
    """A pid and when its process started (seconds since the epoch, as psutil tells): together they name one process."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """The mark of a process that runs now. Raises `psutil.NoSuchProcess`."""
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The marked process if it still runs; None when it ended (zombies included) or the pid is another's."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _START_TIME_TOLERANCE_SECONDS
        except psutil.NoSuchProcess:
            return None
        return process if same and _is_alive(process) else None


@dataclass(frozen=True)
class _State:
    """What `process.json` holds. Ports are remembered after the process ended, so that addresses stay."""

    ports: dict[str, int]
    mark: ProcessMark | None


class Daemon(ABC):
    """A detached process with a directory of its own: `process.json` (mark and ports), `<name>.log`, its data."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    port_names: ClassVar[tuple[str, ...]] = ("port",)
    # Whether it may come up elsewhere when its port is taken. Not where others were told its address beforehand.
    may_move: ClassVar[bool] = True

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._last_pid: int | None = None
        self._log_start_bytes = 0
        self.directory = directory
        self.log_path = directory / f"{name}.log"
        self._state_path = directory / "process.json"

    @abstractmethod
    def _prepare(self, ports: Mapping[str, int]) -> None:
        """Write configuration and data that the process needs before it starts."""

    @abstractmethod
    def _command(self, ports: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, str]]:
        """Arguments (the first is the program's full path) and environment of the process."""

    @abstractmethod
    def _is_ready(self, pid: int, ports: Mapping[str, int]) -> bool:
        """Whether the process serves its callers. Called again and again until it does."""

    @property
    def addresses(self) -> dict[str, str]:
        """Where it is reached, by what one finds there."""
        return {self.name: f"127.0.0.1:{self.ports['port']}"}

    @property
    def ports(self) -> dict[str, int]:
        """The ports in use, or last used. Raises `RuntimeError` if it never started."""
        state = self._read_state()
        if state is None:
            raise RuntimeError(f"{self.name} was never started")
        return state.ports

    def mark(self) -> ProcessMark | None:
        """What the state file says, whether or not it still holds."""
        state = self._read_state()
        return state.mark if state else None

    def process(self) -> psutil.Process | None:
        """The running process, never a stranger with the same pid."""
        mark = self.mark()
        return mark.find() if mark else None

    def state(self) -> State:
        """`stale`: the state file names a process that is gone, or whose pid now belongs to another."""
        mark = self.mark()
        if mark is None:
            return "stopped"
        return "running" if mark.find() else "stale"

    def start(self, *, timeout_seconds: float = 60.0) -> None:
        """Start and wait until ready; no effect when it runs. Raises `StartError`."""
        if self.process() is not None:
            return
        for _attempt in range(3 if self.may_move else 1):
            ports = self._choose_ports()
            try:
                self._start_on(ports, timeout_seconds)
            except PortTakenError:
                continue
            return
        raise PortTakenError(f"{self.name}: somebody else took the port that was free before")

    def reserve_ports(self) -> dict[str, int]:
        """Choose the ports before the start, so that others can be told; those of a running process stay."""
        if self.process() is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._write_state(_State(self._choose_ports(), None))
        return self.ports

    @property
    def exit_code(self) -> int | None:
        """How the last process started by this object ended (minus the signal that killed it); None while unknown."""
        if self._last_pid is None:
            return None
        _reap(self._last_pid)
        return _exit_codes.get(self._last_pid)

    def stop(self, *, timeout_seconds: float = 20.0) -> None:
        """Ask the process to end; kill what is left after the time-out. No effect when it does not run."""
        process = self.process()
        if process is not None:
            family = _family(process)
            _signal_all(family, signal.SIGCONT)  # a frozen process would not hear the request
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)
            if not _wait_gone([process], timeout_seconds):
                family = _family(process)
            _end_all(family)
        self._forget()

    def kill(self) -> None:
        """SIGKILL to the process and its children, as when the machine loses power; returns when they are gone."""
        process = self.process()
        if process is not None:
            _end_all(_family(process))
        self._forget()

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing. Returns once it has stopped."""
        process = self._running()
        _signal_all(_family(process), signal.SIGSTOP)
        while process.status() != psutil.STATUS_STOPPED:  # the signal is delivered when the kernel gets to it
            time.sleep(_POLL_SECONDS)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was frozen."""
        _signal_all(_family(self._running()), signal.SIGCONT)

    def restart(self, *, timeout_seconds: float = 60.0) -> None:
        """Start again with the same data on the same ports, after `stop` where it still runs. Raises `StartError`."""
        ports = self.ports
        self.stop()
        deadline = time.monotonic() + 10
        while not all(port_is_free(port) for port in ports.values()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._start_on(ports, timeout_seconds)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log: of what it wrote since this object started it, where it did."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open(errors="replace") as handle:
            handle.seek(self._log_start_bytes)
            return "\n".join(line[:_SHOWN_CHARACTERS] for line in handle.read().splitlines()[-count:])

    def _running(self) -> psutil.Process:
        process = self.process()
        if process is None:
            raise RuntimeError(f"{self.name} is not running")
        return process

    def _choose_ports(self) -> dict[str, int]:
        state = self._read_state()
        remembered = state.ports if state else {}
        chosen: dict[str, int] = {}
        for name in self.port_names:
            port = remembered.get(name)
            chosen[name] = port if port is not None and port_is_free(port) else free_port()
        return chosen

    def _start_on(self, ports: dict[str, int], timeout_seconds: float) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._prepare(ports)
        command, environment = self._command(ports)
        self._log_start_bytes = self._make_room_in_log()
        pid = self._last_pid = spawn(command, environment, self.log_path)
        _exit_codes.pop(pid, None)
        # Recorded before anything can fail, so that whoever cleans up finds it.
        self._write_state(_State(ports, ProcessMark.of(pid)))
        try:
            self._wait_until_ready(pid, ports, timeout_seconds)
        except BaseException:
            self.kill()
            raise

    def _make_room_in_log(self) -> int:
        """Put a log that has grown large aside, in the place of the one before it; returns its size now."""
        size = self.log_path.stat().st_size if self.log_path.exists() else 0
        if size < _LOG_LIMIT_BYTES:
            return size
        self.log_path.replace(self.log_path.with_suffix(".log.old"))
        return 0

    def _wait_until_ready(self, pid: int, ports: Mapping[str, int], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not self._is_ready(pid, ports):
            self._check_alive()
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready within {timeout_seconds:.0f} s:\n{self.last_lines()}")
            time.sleep(_READY_POLL_SECONDS)

    def _check_alive(self) -> None:
        if self.process() is None:
            tail = self.last_lines()
            taken = "address already in use" in tail.lower()
            raise (PortTakenError if taken else StartError)(f"{self.name} ended while starting:\n{tail}")

    def _forget(self) -> None:
        state = self._read_state()
        if state is not None:
            self._write_state(_State(state.ports, None))

    def _read_state(self) -> _State | None:
        try:
            stored = json.loads(self._state_path.read_text())
        except FileNotFoundError:
            return None
        return _State(stored["ports"], ProcessMark(**stored["mark"]) if stored["mark"] else None)

    def _write_state(self, state: _State) -> None:
        partial = self._state_path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(state)))
        partial.replace(self._state_path)  # a reader sees the old or the new, never half


def kill_recorded(directory: Path) -> None:
    """Kill whatever the state files of a stack's directory name and still runs: servers, services, the mail sink."""
    for path in [*directory.glob("*/process.json"), *directory.glob("services/*/process.json")]:
        with contextlib.suppress(FileNotFoundError, ValueError):  # being written, or being removed
            mark = json.loads(path.read_text())["mark"]
            process = ProcessMark(**mark).find() if mark else None
            if process is not None:
                _end_all(_family(process))


def spawn(command: Sequence[str], environment: Mapping[str, str], log_path: Path) -> int:
    """Start a program in a session of its own, output appended to the log; returns its pid.

    A session of its own keeps Ctrl-C in the caller's terminal from reaching it: only its owner ends it.
    """
    return os.posix_spawn(
        command[0],
        list(command),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log_path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP],
    )


def _reap(pid: int) -> None:
    """Ask after our own child, which otherwise stays a zombie when it ended; no effect for others' processes."""
    with contextlib.suppress(ChildProcessError):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            _exit_codes[pid] = os.waitstatus_to_exitcode(status)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal_all(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:  # parents first: a frozen parent starts no further children
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _end_all(processes: Sequence[psutil.Process]) -> None:
    _signal_all(processes, signal.SIGKILL)
    if not _wait_gone(processes, 10):
        raise RuntimeError(f"still there 10 s after SIGKILL: {[process.pid for process in processes]}")


def _wait_gone(processes: Sequence[psutil.Process], timeout_seconds: float) -> bool:
    """Whether all ended in time. Zombies have ended: under an init that reaps nobody they stay for ever."""
    deadline = time.monotonic() + timeout_seconds
    while any(_is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_alive(process: psutil.Process) -> bool:
    try:
        # A zombie's first thread may have ended before the others (Java's does): they still hold ports and files.
        alive = process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        alive = False
    if not alive:
        _reap(process.pid)
    return alive
