"""A TCP proxy that a test cuts, stalls and heals: the network between a worker and its broker or database.

It runs in a thread of its own, so that a test that blocks its loop does not become a fault of the network. It knows
nothing of what passes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from mentorstream_local.daemons import free_port

_T = TypeVar("_T")
_CHUNK_BYTES: Final = 65536
# On close the kernel then sends a reset and drops what was not sent: what a broken network looks like to the other end.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class TcpProxy:
    """Listens on a port of 127.0.0.1 and passes everything on to another one. Starts at once; `close` ends it."""

    def __init__(self, target_port: int, port: int | None = None) -> None:
        self.port = port or free_port()
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{target_port}", daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._thread.start()
        self._do(self._heal())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many connections pass through it now."""
        return len(self._connections)

    def cut(self) -> None:
        """End all connections by a reset, and refuse new ones."""
        self._do(self._cut())

    def stall(self) -> None:
        """Keep connections, take new ones, and pass nothing: neither end is told anything."""
        self._do(self._stall())

    def heal(self) -> None:
        """Pass everything again; what was held up while stalled comes through."""
        self._do(self._heal())

    def close(self) -> None:
        """Cut, and end the thread. No effect when it was closed before."""
        if self._loop.is_closed():
            return
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _heal(self) -> None:
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def _stall(self) -> None:
        self._passing.clear()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        # Whoever waits in a stall looks again, and finds its connection gone.
        self._passing.set()
        await asyncio.gather(*self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        self._writers.add(writer)
        try:
            await self._passing.wait()
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            self._writers.discard(writer)
            return
        self._writers.add(target_writer)
        if writer.is_closing():  # cut while it was connecting
            _reset(target_writer)
        try:
            await asyncio.gather(self._pump(reader, target_writer), self._pump(target_reader, writer))
        finally:
            self._writers -= {writer, target_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
            await self._passing.wait()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    end: socket.socket | None = writer.get_extra_info("socket")
    if end is not None and end.fileno() >= 0:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
