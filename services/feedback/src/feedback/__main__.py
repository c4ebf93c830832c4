"""`python -m feedback api|worker|all [--print-settings]`."""

from __future__ import annotations

from feedback.bootstrap import build
from feedback.settings import FeedbackSettings
from mentorstream_runtime.process import main

if __name__ == "__main__":
    main("feedback", FeedbackSettings, build)
