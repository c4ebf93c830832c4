"""Checks of single values that a schema cannot express: zones, hours, e-mail addresses, doubles in lists.

Each function returns its faults instead of raising, so that a partner learns of all of them at once.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import pairwise

from .refusals import Violation

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ISO_WEEKDAY = {name: number for number, name in enumerate(WEEKDAYS, start=1)}
_LOCAL_PART_LIMIT = 64
_LABEL_LIMIT = 63
_DOMAIN_LIMIT = 253


@cache
def zones() -> frozenset[str]:
    """The IANA zones known here. Asked once: listing them reads a directory."""
    return frozenset(zoneinfo.available_timezones())


def zone_faults(zone: str, pointer: str) -> list[Violation]:
    """Whether it is a zone of the IANA database; close misses are offered."""
    if zone in zones():
        return []
    close = get_close_matches(zone, sorted(zones()), n=1, cutoff=0.75)
    hint = f"; did you mean {close[0]}?" if close else ""
    return [Violation(pointer, f"{zone!r} is no IANA time zone; expected one such as Europe/Paris{hint}")]


def email_faults(email: str, pointer: str) -> list[Violation]:
    """Whether mail could be addressed to it: one mailbox at a domain name with a dot.

    Whether the mailbox exists is for delivery to find out. Source of the limits: RFC 5321 section 4.5.3.1.
    """
    local, at, domain = email.rpartition("@")
    if not at or not local or len(local) > _LOCAL_PART_LIMIT:
        detail = f"expected name@domain, with at most {_LOCAL_PART_LIMIT} characters before the @"
    elif local.startswith(".") or local.endswith(".") or ".." in local or not email.isprintable():
        detail = "the part before the @ has a dot at its start or end, two in a row, or a character that cannot be sent"
    elif not _is_domain(domain):
        detail = "the part after the @ is no domain name; expected one such as example.org"
    else:
        return []
    return [Violation(pointer, f"this is no e-mail address: {detail}")]


@lru_cache(maxsize=4096)
def _is_domain(domain: str) -> bool:
    """Remembered, because an organisation's people share a few."""
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        return False
    labels = ascii_domain.split(".")
    return (
        len(ascii_domain) <= _DOMAIN_LIMIT
        and len(labels) > 1
        and not labels[-1].isdigit()
        and all(
            0 < len(label) <= _LABEL_LIMIT
            and label.replace("-", "").isalnum()
            and not label.startswith("-")
            and not label.endswith("-")
            for label in labels
        )
    )


@lru_cache(maxsize=2048)
def minute_of(local_time: str) -> int:
    """Minutes from midnight of "HH:MM"; 24:00 is 1440. Remembered: a day has 1440 of them."""
    return int(local_time[:2]) * 60 + int(local_time[3:5])


def hours_faults(hours: Sequence[tuple[int, int, int]], pointer: str) -> list[Violation]:
    """Inverted and overlapping hours, of (ISO weekday, start minute, end minute). Touching ones are fine."""
    faults = [
        Violation(f"{pointer}/{index}", f"starts at {_clock(start)} and ends at {_clock(end)}; the end must be later")
        for index, (_, start, end) in enumerate(hours)
        if end <= start
    ]
    if faults or len(hours) == 1:
        return faults
    in_order = sorted((*entry, index) for index, entry in enumerate(hours))
    for (day, start, end, first), (next_day, next_start, next_end, second) in pairwise(in_order):
        if day == next_day and next_start < end:
            late, early = max(first, second), min(first, second)
            faults.append(
                Violation(
                    f"{pointer}/{late}",
                    f"overlaps entry {early}: {WEEKDAYS[day - 1]} {_clock(start)}-{_clock(end)} and"
                    f" {_clock(next_start)}-{_clock(next_end)}; hours of one day must not overlap",
                )
            )
    return faults


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def double_faults(entries: Sequence[str], pointer: str) -> list[Violation]:
    """Entries that are in a list twice, whatever their case."""
    if len(entries) < 2 or len(set(map(str.casefold, entries))) == len(entries):
        return []
    seen: dict[str, int] = {}
    faults = []
    for index, entry in enumerate(entries):
        first = seen.setdefault(entry.casefold(), index)
        if first != index:
            faults.append(Violation(f"{pointer}/{index}", f"{entry!r} is in the list twice (see entry {first})"))
    return faults


def text_faults(text: str, pointer: str) -> list[Violation]:
    """Blank text, or text with white space around it: usually a slip of an export."""
    if text.strip() == text and text:
        return []
    return [Violation(pointer, "is blank or has white space at its start or end; expected plain text")]


def are_plain(texts: Sequence[str]) -> bool:
    """Whether none of the texts is blank or has white space around it."""
    return "" not in texts and list(map(str.strip, texts)) == [*texts]


def texts_faults(texts: Sequence[str], pointer: str, field: str = "") -> list[Violation]:
    """`text_faults` of each; the text is at `field` of its entry."""
    if are_plain(texts):
        return []
    return [fault for index, text in enumerate(texts) for fault in text_faults(text, f"{pointer}/{index}{field}")]


def capacity_faults(roles: Sequence[str], capacity: int | None, pointer: str) -> list[Violation]:
    """Capacity is the mentor's; `capacity` is None when the partner did not name one."""
    if "mentor" in roles or not capacity:
        return []
    return [
        Violation(pointer, f"capacity {capacity} for somebody who is no mentor; leave it out, or add the role mentor")
    ]


def role_faults(wanted: Sequence[str], offered: Sequence[str], program: str, pointer: str) -> list[Violation]:
    """Roles that the program does not have."""
    return [
        Violation(f"{pointer}/{index}", f"program {program} has no role {role!r}; it has {' and '.join(offered)}")
        for index, role in enumerate(wanted)
        if role not in offered
    ]


def weight_faults(weights: Mapping[str, float], pointer: str) -> list[Violation]:
    """All weights zero would leave nothing to rank by."""
    if any(weight > 0 for weight in weights.values()):
        return []
    return [Violation(pointer, "every weight is 0; expected at least one above 0")]
