"""Asks the service of this container for its health: `python health.py live|ready`. Exits 0 when it is well, else 1.

What it prints is what `docker inspect` shows of a failed check. Standard library only; it knows no settings but the
port.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

_TIMEOUT_SECONDS = 4.0


def main(what: str) -> int:
    """Ask, print the answer, return the exit code."""
    url = f"http://127.0.0.1:{os.environ.get('MENTORSTREAM_METRICS_PORT', '9000')}/health/{what}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before 127.0.0.1
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            sys.stdout.write(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read().decode())
    except OSError as error:
        sys.stdout.write(f"{url}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
