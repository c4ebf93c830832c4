"""`python -m pulse api|worker|all [--print-settings]`."""

from __future__ import annotations

from mentorstream_runtime.command import run_command
from pulse import bootstrap
from pulse.settings import PulseSettings

if __name__ == "__main__":
    run_command(
        "pulse",
        PulseSettings,
        lambda settings, _mode: bootstrap.PulseProcess(settings),
        modes=("api", "worker", "all"),
        modes_help="all three do the same: the figures are in memory, so whoever serves them also reads the topics",
        description=bootstrap.__doc__,
    )
