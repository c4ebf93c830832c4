"""Writes the demo's input from `source/*.toml`, so that eight hundred people need not be typed by hand.

Plays the partners' side only: it writes the files that they would send, in their own references. It knows nothing of
how intake stores them or how matching decides. Running it again gives the same bytes: the dice are seeded and drawn
through `random()` alone, the one method whose sequence Python promises to keep between versions.

    python deploy/local/demo-data/generate.py [--out DIRECTORY]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import random
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

HERE: Final = Path(__file__).resolve().parent
START: Final = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
FILES_WRITTEN: Final = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
SEED: Final = 20260309
FIRST_INVENTED: Final = 1001
CAPACITY_PER_MENTEE: Final = 0.84
DAY_MINUTES: Final = 1440
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKDAY_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ASCII: Final = str.maketrans({"ø": "o", "ł": "l", "ß": "ss", "æ": "ae", "ð": "d", "þ": "th", "đ": "d", "ọ": "o"})

T = TypeVar("T")
Json = dict[str, Any]


class Dice:
    """Seeded choices that are the same on every Python version."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - the point is to be repeatable

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.between(0, len(choices) - 1)]

    def sample(self, choices: Sequence[T], count: int) -> list[T]:
        pool = list(choices)
        return [pool.pop(self.between(0, len(pool) - 1)) for _ in range(min(count, len(pool)))]


@dataclass
class Person:
    """Someone an organisation knows, as it would describe them."""

    reference: str
    full_name: str
    email: str
    zone: str
    locale: str
    languages: list[str]
    by_hand: bool
    manager: str | None = None  # "-": reports to nobody, said outright
    late_day: int | None = None
    breaks_lines: bool = False  # in a CSV cell, each entry of a list has a line of its own


@dataclass
class Entry:
    """One person in one program."""

    person: Person
    program: str
    roles: list[str]
    capacity: int | None
    languages: list[str]
    availability: list[str]
    offers: list[list[Any]]
    wants: list[list[Any]]
    goals: list[str]
    interests: list[str]
    values: list[str]
    style: str
    industry: str
    seniority: int
    credentials: list[str] = field(default_factory=list)
    audit_groups: dict[str, str] = field(default_factory=dict)
    blocks: list[str] = field(default_factory=list)


class Network:
    """Everybody of all organisations, drawn in a fixed order."""

    def __init__(self, source: Path) -> None:
        def read(name: str) -> Json:
            return tomllib.loads((source / f"{name}.toml").read_text(encoding="utf-8"))

        described = read("organisations")
        self.offsets: dict[str, int] = described["offsets"]
        self.organisations: list[Json] = described["organisation"]
        self.names, self.subjects = read("names"), read("subjects")
        self.by_hand: list[Json] = read("people")["person"]
        self.later: list[Json] = read("later")["later"]
        self.dice = Dice(SEED)
        self.people: dict[str, list[Person]] = {one["name"]: [] for one in self.organisations}
        self.entries: dict[str, list[Entry]] = {one["name"]: [] for one in self.organisations}
        self.programs = {
            f"{one['name']}/{program['request']['program']}": program
            for one in self.organisations
            for program in one.get("program", ())
        }
        self._taken: set[str] = set()
        self._enter_those_by_hand()
        for full_name in self.programs:
            self._fill(full_name)
        for one in self.organisations:
            if one["reporting"]:
                self._draw_reporting_lines(one["name"])

    def _organisation(self, name: str) -> Json:
        return next(one for one in self.organisations if one["name"] == name)

    def _enter_those_by_hand(self) -> None:
        for row in self.by_hand:
            organisation = self._organisation(row["organisation"])
            languages = row["enters"][0]["languages"]
            person = Person(
                reference=row["reference"],
                full_name=row["full_name"],
                email=row.get("email") or self._email(row["full_name"], organisation["domain"]),
                zone=row["zone"],
                locale=row.get("locale", languages[0]),
                languages=languages,
                by_hand=True,
                manager=row.get("own_manager"),
                late_day=row.get("late_day"),
                breaks_lines=row.get("breaks_lines", False),
            )
            self.people[organisation["name"]].append(person)
            for said in row["enters"]:
                self._enter(organisation["name"], person, said["program"], said["roles"], said)

    def _fill(self, full_name: str) -> None:
        """Invent a program's mentors, then its mentees, until its numbers are reached."""
        program = self.programs[full_name]
        owner, _, short = full_name.partition("/")
        members: dict[str, tuple[int, int]] = program["members"]
        mentors, mentees = (sum(pair[side] for pair in members.values()) for side in (0, 1))
        also, also_count = program.get("mentors_also", ("", 0))
        capacities = self._capacities(mentors, round((mentees + also_count) * CAPACITY_PER_MENTEE))
        for organisation, (count, _) in members.items():
            named = short if organisation == owner else full_name
            for _ in range(count):
                said = {"capacity": capacities.pop(), "credentials": program.get("credentials", [])}
                self._enter(organisation, self._invent(organisation, program), named, ["mentor"], said)
        fans = self._fans(full_name)
        for organisation, (_, count) in members.items():
            named = short if organisation == owner else full_name
            for _ in range(count):
                said = next(fans, {}) if organisation == owner else {}
                self._enter(organisation, self._invent(organisation, program), named, ["mentee"], said)
        experienced = [entry.person for entry in self.entries[owner] if entry.program == also]
        for person in [one for one in experienced if not one.by_hand][:also_count]:
            self._enter(owner, person, short, ["mentee"], {})

    def _fans(self, full_name: str) -> Iterator[Json]:
        """What the mentees say who all want the same mentor."""
        owner, _, short = full_name.partition("/")
        for row in self.by_hand:
            for said in row["enters"]:
                if row["organisation"] == owner and said["program"] == short:
                    for _ in range(said.get("wanted_by", 0)):
                        yield {"wants": [[skill, 4] for skill, _ in said["offers"]]}

    def _capacities(self, mentors: int, places: int) -> list[int]:
        """Places spread over mentors: one at least, five at most."""
        capacities = [1] * mentors
        while sum(capacities) < places and min(capacities) < 5:
            lucky = self.dice.between(0, mentors - 1)
            capacities[lucky] = min(5, capacities[lucky] + 1)
        return capacities

    def _invent(self, organisation: str, program: Json) -> Person:
        described = self._organisation(organisation)
        zone = program.get("zones", {}).get(organisation)
        regions = [one for one in described["people"] if zone in (None, one["zone"])]
        region = self.dice.pick([one for one in regions for _ in range(one["weight"])])
        pool = self.names[region["names"]]
        known = {person.full_name for person in self.people[organisation]}
        while (full_name := f"{self.dice.pick(pool['first'])} {self.dice.pick(pool['family'])}") in known:
            pass
        first, *others = region["languages"]
        invented = sum(not person.by_hand for person in self.people[organisation])
        person = Person(
            reference=described["reference"].format(FIRST_INVENTED + invented),
            full_name=full_name,
            email=self._email(full_name, described["domain"]),
            zone=region["zone"],
            locale=first,
            languages=[first, *(other for other in others if self.dice.chance(0.9))],
            by_hand=False,
        )
        self.people[organisation].append(person)
        return person

    def _email(self, full_name: str, domain: str) -> str:
        plain = unicodedata.normalize("NFKD", full_name.lower().translate(_ASCII)).encode("ascii", "ignore").decode()
        words = "".join(letter if letter.isalnum() or letter == "-" else " " for letter in plain).split()
        local = f"{words[0]}.{words[-1]}"
        address, number = f"{local}@{domain}", 1
        while address in self._taken:
            number += 1
            address = f"{local}{number}@{domain}"
        self._taken.add(address)
        return address

    def _enter(self, organisation: str, person: Person, named: str, roles: list[str], said: Json) -> None:
        """`said` is what is fixed; the dice decide the rest."""
        program = self.programs[named if "/" in named else f"{organisation}/{named}"]
        subject, dice = self.subjects["subject"][program["subject"]], self.dice
        mentor = "mentor" in roles
        experienced = mentor != (program["request"].get("kind") == "reverse")
        offers = [[skill, dice.between(3, 5)] for skill in dice.sample(subject["skills"], dice.between(3, 5))]
        wants = [[skill, dice.between(2, 4)] for skill in dice.sample(subject["skills"], dice.between(2, 4))]
        drawn: Json = {
            "capacity": None,
            "languages": person.languages,
            "availability": self._hours(person.zone, program, mentor),
            "offers": offers if mentor else [],
            "wants": wants if "mentee" in roles else [],
            "goals": dice.sample(subject["goals"], dice.between(1, 2)),
            "interests": dice.sample(self.subjects["interests"], dice.between(1, 4)),
            "values": dice.sample(self.subjects["values"], dice.between(1, 3)),
            "style": dice.pick(self.subjects["styles"]),
            "industry": subject["industry"],
            "seniority": dice.between(6, 9) if experienced else dice.between(1, 5),
            "credentials": [],
            "audit_groups": _audit_groups(person, program),
            "blocks": [],
        }
        # The dice are thrown for everybody alike, so that one program's people do not change all others.
        if "common" in program:
            drawn["availability"] = self._common_hours(person.zone, program)
        fixed = {name: value for name, value in said.items() if name in drawn}
        if program["request"].get("kind") == "peer":
            roles, fixed = ["mentor", "mentee"], {**fixed, "offers": offers, "wants": wants, "capacity": 1}
        self.entries[organisation].append(Entry(person=person, program=named, roles=roles, **{**drawn, **fixed}))

    def _hours(self, zone: str, program: Json, mentor: bool) -> list[str]:
        """Some of the program's hours in the person's own time: 3 to 12 hours a week, never at night."""
        feasible: list[tuple[int, int]] = []
        for slot in program["slots"]:
            weekday, clock = slot.split()
            start = WEEKDAYS.index(weekday) * DAY_MINUTES + int(clock[:2]) * 60 + int(clock[3:])
            start += self.offsets[zone] - self.offsets[program["zone"]] + self.dice.pick((-30, 0, 0, 30))
            minutes = self.dice.pick((120, 150, 150, 180))
            if 7 * 60 <= start % DAY_MINUTES <= 22 * 60 - minutes:
                feasible.append((start % (7 * DAY_MINUTES), minutes))
        wanted = self.dice.between(3, 5) if mentor else self.dice.between(2, 4)
        candidates = self.dice.sample(feasible, wanted)
        chosen: list[tuple[int, int]] = []
        while candidates or sum(minutes for _, minutes in chosen) < 3 * 60:
            start, minutes = candidates.pop() if candidates else self._own_hours()
            apart = all(start + minutes < other or other + length < start for other, length in chosen)
            if apart and sum(length for _, length in chosen) + minutes <= 12 * 60:
                chosen.append((start, minutes))
        return [_interval(start, minutes) for start, minutes in sorted(chosen)]

    def _common_hours(self, zone: str, program: Json) -> list[str]:
        """The program's common hours in the person's own time: circles meet when all of them can."""
        hours = []
        for slot in program["common"]:
            weekday, clock = slot.split()
            start = WEEKDAYS.index(weekday) * DAY_MINUTES + int(clock[:2]) * 60 + int(clock[3:])
            start += self.offsets[zone] - self.offsets[program["zone"]]
            if 6 * 60 <= start % DAY_MINUTES <= 22 * 60:
                hours.append(_interval(start % (7 * DAY_MINUTES), 120))
        return hours

    def _own_hours(self) -> tuple[int, int]:
        """Two hours of a working day, for who can hardly make the program's."""
        return self.dice.between(0, 4) * DAY_MINUTES + self.dice.between(16, 38) * 30, 120

    def _draw_reporting_lines(self, organisation: str) -> None:
        """Two heads; mentors report to them, mentees to mentors. So no line can close into a ring."""
        seniors: list[Person] = []
        for entry in self.entries[organisation]:
            senior = entry.roles == ["mentor"] and entry.seniority >= 6 and not entry.person.by_hand
            if senior and entry.person not in seniors:
                seniors.append(entry.person)
        heads = seniors[:2]
        for person in self.people[organisation]:
            if person.by_hand or person in heads:
                continue
            if person in seniors:
                person.manager = self.dice.pick(heads).reference if self.dice.chance(0.6) else None
            elif self.dice.chance(0.6):
                person.manager = self.dice.pick(seniors).reference

    def in_order(self, organisation: str) -> list[Entry]:
        """Entries as the partner lists them: those by hand first, managers always before who reports to them."""
        managers = {person.reference: person.manager for person in self.people[organisation]}

        def depth(reference: str) -> int:
            above = managers[reference]
            return 0 if above is None or above == "-" else 1 + depth(above)

        shuffled = self.dice.sample(self.entries[organisation], len(self.entries[organisation]))
        by_hand = [entry for entry in self.entries[organisation] if entry.person.by_hand]
        invented = [entry for entry in shuffled if not entry.person.by_hand]
        invented.sort(key=lambda entry: depth(entry.person.reference))
        return by_hand + invented


def _interval(start: int, minutes: int) -> str:
    day, clock = divmod(start, DAY_MINUTES)
    end = clock + minutes
    return f"{WEEKDAYS[day]} {clock // 60:02d}:{clock % 60:02d}-{end // 60:02d}:{end % 60:02d}"


def participant(entry: Entry) -> Json:
    """The ParticipantDetails of an entry."""
    hours = []
    for interval in entry.availability:
        weekday, _, clocks = interval.partition(" ")
        start, _, end = clocks.partition("-")
        hours.append({"weekday": WEEKDAY_NAMES[WEEKDAYS.index(weekday)], "start": start, "end": end})
    details: Json = {
        "roles": entry.roles,
        **({} if entry.capacity is None else {"capacity": entry.capacity}),
        "languages": entry.languages,
        "availability": hours,
        "offers": [{"skill": skill, "level": level} for skill, level in entry.offers],
        "wants": [{"skill": skill, "level": level} for skill, level in entry.wants],
        "goals": entry.goals,
        "interests": entry.interests,
        "values": entry.values,
        "style": entry.style,
        "industry": entry.industry,
        "seniority": entry.seniority,
        "credentials": entry.credentials,
        "audit_groups": [{"attribute": name, "group": group} for name, group in entry.audit_groups.items()],
        "blocks": entry.blocks,
    }
    return {name: value for name, value in details.items() if value != []}


def person_details(person: Person) -> Json:
    """The PersonDetails of a person."""
    return {
        "reference": person.reference,
        "full_name": person.full_name,
        "email": person.email,
        "zone": person.zone,
        "locale": person.locale,
    }


def registration(entry: Entry) -> Json:
    """The RegisterParticipant request of an entry."""
    manager = entry.person.manager
    request: Json = {
        "program": entry.program,
        "person": person_details(entry.person),
        "participant": participant(entry),
    }
    if manager is not None:
        request["manager"] = None if manager == "-" else manager
    return request


def csv_row(entry: Entry) -> dict[str, str]:
    """The same registration as one CSV row: cells by column, in the order of the columns."""
    person = entry.person
    separator = ";\n" if person.breaks_lines else ";"
    return {
        "program": entry.program,
        "reference": person.reference,
        "full_name": person.full_name,
        "email": person.email,
        "zone": person.zone,
        "locale": person.locale,
        "manager": person.manager or "",
        "roles": separator.join(entry.roles),
        "capacity": "" if entry.capacity is None else str(entry.capacity),
        "languages": separator.join(entry.languages),
        "availability": separator.join(entry.availability),
        "offers": separator.join(f"{skill}:{level}" for skill, level in entry.offers),
        "wants": separator.join(f"{skill}:{level}" for skill, level in entry.wants),
        "goals": separator.join(entry.goals),
        "interests": separator.join(entry.interests),
        "values": separator.join(entry.values),
        "style": entry.style,
        "industry": entry.industry,
        "seniority": str(entry.seniority),
        "credentials": separator.join(entry.credentials),
        "audit_groups": separator.join(f"{name}={group}" for name, group in entry.audit_groups.items()),
        "blocks": separator.join(entry.blocks),
    }


class Sender:
    """Wraps requests into CloudEvents of one organisation, with ids that only it gives."""

    def __init__(self, organisation: Json) -> None:
        self._name = organisation["name"]
        self._source = f"https://{organisation['domain']}/mentoring"
        self._sent = 0

    def event(self, verb: str, data: Json, time: datetime | None = None) -> Json:
        self._sent += 1
        moment = time or FILES_WRITTEN + timedelta(seconds=7 * self._sent)
        return {
            "specversion": "1.0",
            "id": f"{self._name}-{self._sent:05d}",
            "source": self._source,
            "type": f"mentorstream.{verb}.v1",
            "time": moment.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": data,
        }


def later_event(network: Network, sender: Sender, later: Json) -> Json:
    """A later action of `later.toml` as the event that says it."""
    entries, time = network.entries[later["organisation"]], START + timedelta(days=later["day"])
    if (said := later.get("update")) is not None:
        entry = next(e for e in entries if (e.program, e.person.reference) == (said["program"], said["person"]))
        for name in said.keys() - {"program", "person"}:
            setattr(entry, name, said[name])
        data = {"program": said["program"], "person": said["person"], "participant": participant(entry)}
        return sender.event("participant.update", data, time)
    if (said := later.get("person")) is not None:
        person = next(e.person for e in entries if e.person.reference == said["reference"])
        return sender.event("person.update", {"person": person_details(person) | said}, time)
    for name, verb in (
        ("withdraw", "participant.withdraw"),
        ("rematch", "participant.request_rematch"),
        ("reporting_line", "reporting_line.set"),
    ):
        if (said := later.get(name)) is not None:
            return sender.event(verb, said, time)
    raise ValueError(f"no action in {later}")


def _audit_groups(person: Person, program: Json) -> dict[str, str]:
    """By the reference and not by the dice: whether a program declares groups changes nobody else."""
    told = program.get("audit_groups", {})
    lot = hashlib.sha256(person.reference.encode()).digest()[0]
    return {attribute: groups[lot % len(groups)] for attribute, groups in told.items()}


def _table(rows: Sequence[Mapping[str, str]], mark: bool = False) -> bytes:
    text = io.StringIO(newline="")
    columns = [name for name in rows[0] if name != "audit_groups" or any(row[name] for row in rows)]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig" if mark else "utf-8")


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lines(values: Sequence[Json]) -> bytes:
    """A JSON array with one element on each line, so that a difference can be read."""
    return ("[\n" + ",\n".join(map(_line, values)) + "\n]\n").encode()


def _firsts_and_seconds(entries: Sequence[Entry]) -> Iterator[tuple[str, Sequence[Entry]]]:
    """Everybody's first program, then, in a file of its own, the second one of those who are in two.

    Two programs book the time of one person in any order; sent one after the other, it is always the same one.
    """
    seen: set[str] = set()
    firsts: list[Entry] = []
    seconds: list[Entry] = []
    for entry in entries:
        (seconds if entry.person.reference in seen else firsts).append(entry)
        seen.add(entry.person.reference)
    yield "", firsts
    if seconds:
        yield "-second", seconds


def build(source: Path) -> Mapping[str, bytes]:
    """Every file, by its path below the output directory."""
    network = Network(source)
    files: dict[str, bytes] = {}
    later: list[Json] = []
    for organisation in network.organisations:
        name, sender = organisation["name"], Sender(organisation)
        folder = f"organisations/{name}"
        entries = network.in_order(name)
        present = [entry for entry in entries if entry.person.late_day is None]
        requests = [program["request"] for program in organisation.get("program", ())]
        events = [sender.event("program.configure", request) for request in requests]
        files[f"{folder}/programs.json"] = (json.dumps(events, ensure_ascii=False, indent=2) + "\n").encode()
        for suffix, part in _firsts_and_seconds(present):
            if organisation["sends"] == "csv":
                mark = organisation.get("byte_order_mark", False)
                files[f"{folder}/participants{suffix}.csv"] = _table([csv_row(entry) for entry in part], mark)
            elif organisation["sends"] == "ndjson":
                files[f"{folder}/participants{suffix}.ndjson"] = "".join(
                    _line(registration(entry)) + "\n" for entry in part
                ).encode()
            else:
                batch = [sender.event("participant.register", registration(entry)) for entry in part]
                files[f"{folder}/events{suffix}.json"] = _lines(batch)
        actions = [one for one in network.later if one["organisation"] == name]
        for action in sorted(actions, key=lambda one: int(one["day"])):
            head = {"day": action["day"], "organisation": name}
            if "erase" in action:
                later.append({**head, "erase": action["erase"]})
            else:
                later.append({**head, "event": later_event(network, sender, action)})
        for entry in entries:
            if (day := entry.person.late_day) is not None:
                event = sender.event("participant.register", registration(entry), START + timedelta(days=day))
                later.append({"day": day, "organisation": name, "event": event})
    files["later.json"] = _lines(sorted(later, key=lambda one: int(one["day"])))
    columns = ("name", "title", "kind", "authentication", "sends")
    files["organisations.csv"] = _table([{name: one[name] for name in columns} for one in network.organisations])
    return files


def main() -> None:
    arguments = argparse.ArgumentParser(description="Write the demo's input files.")
    arguments.add_argument("--out", type=Path, default=HERE, help="directory to write to; default: beside this script")
    out: Path = arguments.parse_args().out
    for path, content in build(HERE / "source").items():
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


if __name__ == "__main__":
    main()
