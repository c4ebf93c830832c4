"""`python -m intake api|worker|all`."""

from mentorstream_runtime.process import main

from .bootstrap import build
from .settings import IntakeSettings

if __name__ == "__main__":
    main("intake", IntakeSettings, build)
