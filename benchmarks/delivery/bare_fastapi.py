"""What intake is measured beside: a FastAPI endpoint that inserts one row, commits, and answers 202.

It checks no signature and no schema, keeps no idempotency and publishes nothing. Served as ours is: one process of
uvicorn with the same event loop and parser, no access log, asyncpg's pool and prepared statements.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mentorstream_runtime.serving import HttpServer

_CONNECTIONS = 8


def build_app(pool: asyncpg.Pool[asyncpg.Record]) -> FastAPI:
    """The endpoint."""
    app = FastAPI(openapi_url=None)

    @app.post("/v1/events", status_code=202)
    async def take_event(request: Request) -> JSONResponse:
        body = await request.body()
        event_id: Any = await pool.fetchval("INSERT INTO public.bare (value) VALUES ($1) RETURNING id", body)
        return JSONResponse({"accepted": event_id}, status_code=202)

    return app


async def main() -> None:
    """Serve until terminated."""
    pool = await asyncpg.create_pool(os.environ["BARE_DATABASE"], min_size=_CONNECTIONS, max_size=_CONNECTIONS)
    server = HttpServer(build_app(pool), "127.0.0.1", int(os.environ["BARE_PORT"]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(server, "should_exit", True))
    print("ready", flush=True)  # it listens from its making on
    await server.run_until_told()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
