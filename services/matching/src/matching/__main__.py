"""`python -m matching api|worker|all [--print-settings]`."""

from __future__ import annotations

from matching.bootstrap import build
from matching.settings import MatchingSettings
from mentorstream_runtime.process import main

if __name__ == "__main__":
    main("matching", MatchingSettings, build)
