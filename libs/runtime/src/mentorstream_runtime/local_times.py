"""Times as people read them in mails and on pages: on the clock of their own zone, the day in words.

Only shows; what is planned in local time is scheduling's. A zone that this machine's data lacks reads as UTC, and says
so: no mail and no page may fail for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class LocalTime:
    """An instant on a reader's clock. `zone` is the name of the zone that it is shown in."""

    moment: datetime
    zone: str

    @property
    def day(self) -> str:
        """For example "Tuesday 30 March 2027"."""
        return f"{self.moment:%A} {self.moment.day} {self.moment:%B %Y}"

    @property
    def clock(self) -> str:
        """For example "15:00"."""
        return f"{self.moment:%H:%M}"

    @property
    def offset(self) -> str:
        """For example "UTC+02:00". It tells the two hours apart that have the same name when clocks go back."""
        offset = f"{self.moment:%z}"
        return f"UTC{offset[:3]}:{offset[3:5]}"

    @property
    def place(self) -> str:
        """For example "Europe/Paris, UTC+02:00"."""
        return f"{self.zone}, {self.offset}"


def local_time(instant: datetime, zone: str) -> LocalTime:
    """An aware instant in the zone of that IANA name, or in UTC where it is not known here."""
    info = _zone(zone)
    return LocalTime(instant.astimezone(info), info.key)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
