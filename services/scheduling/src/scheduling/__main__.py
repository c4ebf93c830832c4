"""`python -m scheduling api|worker|all [--print-settings]`."""

from __future__ import annotations

from mentorstream_runtime.process import main
from scheduling.bootstrap import build
from scheduling.settings import SchedulingSettings

if __name__ == "__main__":
    main("scheduling", SchedulingSettings, build)
