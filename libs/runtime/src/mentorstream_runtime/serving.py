"""HTTP servers as parts of a process that has its own event loop, signals and order of stopping."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI


class HttpServer(uvicorn.Server):
    """uvicorn without its own handling of signals: the process has one, for all its parts.

    Listens from its making on, so that `url` is known; `run_until_told` serves. `close` also gives the
    port back where it never got to. Raises OSError where the port is taken.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Accepted sockets inherit it. asyncio sets it itself only where the socket names its protocol, which this one
        # does not; without it the second part of each answer waits for the client's delayed acknowledgement, 40 ms.
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound_host, bound_port = self._listening.getsockname()[:2]
        self.url = f"http://{bound_host}:{bound_port}"
        super().__init__(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=3, server_header=False
            )
        )

    async def run_until_told(self) -> None:
        """Serve until `should_exit` is set."""
        await self.serve(sockets=[self._listening])

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
