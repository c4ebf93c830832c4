"""python -m notifications api|worker|all [--print-settings]."""

from __future__ import annotations

from mentorstream_runtime.process import main

from .bootstrap import build
from .settings import NotificationsSettings

if __name__ == "__main__":
    main("notifications", NotificationsSettings, build)
