"""A mail server that takes everything and keeps nothing, so that only our side of sending is measured.

`python -m benchmarks.delivery.null_smtp PORT`. It counts nothing either: what was sent, notifications' own table says.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

_ANSWERS: Final = {
    b"EHLO": b"250-null\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
_OK: Final = b"250 ok\r\n"
_END_OF_MAIL: Final = b"\r\n.\r\n"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 null\r\n")
    try:
        while line := await reader.readline():
            command = line[:4].upper()
            writer.write(_ANSWERS.get(command, _OK))
            if command == b"DATA":
                await reader.readuntil(_END_OF_MAIL)
                writer.write(_OK)
            elif command == b"QUIT":
                break
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client went away
    finally:
        writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(_serve, "127.0.0.1", int(sys.argv[1]), limit=4 * 2**20)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
