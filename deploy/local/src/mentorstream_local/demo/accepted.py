"""I1: every request that was answered with 202 had its effect.

The requests are applied here once more, to a small picture of programs, people, places in programs and reporting lines
that knows nothing of how the services do it. The picture is then held against what the topics tell and the databases
hold: of what changed several times each version was told, in order, and the last one is in force.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from mentorstream_events import registrations as asked
from mentorstream_events.people import PersonErased, PersonKnown
from mentorstream_local.demo.facts import Facts

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LISTS: Final = ("goals", "interests", "values")
Person = tuple[str, str]  # organisation, reference
Place = tuple[str, str, str]  # organisation, program as owner/reference, person's reference
Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """One request that was answered with 202.

    `data` is that of the event; of a row the data of the registration that it stands for; of an erasure, whose type is
    `ERASE`, the keys `person` (reference) and `person_id`.
    """

    organisation: str
    type: str
    data: Mapping[str, Any]


ERASE: Final = "erase"


@dataclass(slots=True)
class Picture:
    """What must be so. Versions are in order; equal ones that follow each other are one."""

    programs: dict[str, Details] = field(default_factory=dict)
    people: dict[Person, Details] = field(default_factory=dict)
    managers: dict[Person, str | None] = field(default_factory=dict)
    versions: defaultdict[Place, list[Details]] = field(default_factory=lambda: defaultdict(list))
    blocks: dict[Place, frozenset[str]] = field(default_factory=dict)
    active: set[Place] = field(default_factory=set)
    withdrawn: Counter[Place] = field(default_factory=Counter)
    rematches: Counter[Place] = field(default_factory=Counter)
    erased: list[UUID] = field(default_factory=list)

    def chain(self, organisation: str, reference: str, levels: int) -> list[str]:
        """Managers, nearest first, at most `levels` of them."""
        found: list[str] = []
        above = self.managers.get((organisation, reference))
        while above is not None and len(found) < levels and above not in found:
            found.append(above)
            above = self.managers.get((organisation, above))
        return found


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A participant as intake stores it. `decided`: matching counts them as in the program."""

    program_id: UUID
    participant_id: UUID
    person_id: UUID
    active: bool
    decided: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What the databases hold. `managers` are references; `copies` what notifications knows of people."""

    organisations: Mapping[str, UUID]
    programs: Mapping[str, UUID]
    people: Mapping[Person, UUID]
    managers: Mapping[Person, str | None]
    places: Mapping[Place, StoredPlace]
    copies: Mapping[UUID, Details]


async def read_stored(connection: asyncpg.Connection[asyncpg.Record]) -> Stored:
    """Read it. The connection may read every schema."""
    people = await connection.fetch(
        "SELECT o.name, p.reference, p.person_id, b.reference AS manager FROM intake.person p"
        " JOIN intake.organisation o USING (organisation_id) LEFT JOIN intake.person b ON b.person_id = p.manager_id"
    )
    places = await connection.fetch(
        "SELECT o.name, g.owner || '/' || g.reference AS program, p.reference, m.program_id, m.participant_id,"
        " m.person_id, m.active, d.details IS NOT NULL AS decided FROM intake.participant m"
        " JOIN intake.person p USING (person_id) JOIN intake.program g USING (program_id)"
        " JOIN intake.organisation o ON o.organisation_id = p.organisation_id"
        " LEFT JOIN matching.participant d USING (program_id, participant_id)"
    )
    copies = await connection.fetch("SELECT person_id, full_name, email, zone, locale FROM notifications.person")
    organisations = await connection.fetch("SELECT name, organisation_id FROM intake.organisation")
    programs = await connection.fetch("SELECT owner || '/' || reference AS name, program_id FROM intake.program")
    return Stored(
        organisations={row["name"]: row["organisation_id"] for row in organisations},
        programs={row["name"]: row["program_id"] for row in programs},
        people={(row["name"], row["reference"]): row["person_id"] for row in people},
        managers={(row["name"], row["reference"]): row["manager"] for row in people},
        places={
            (row["name"], row["program"], row["reference"]): StoredPlace(
                row["program_id"], row["participant_id"], row["person_id"], row["active"], row["decided"]
            )
            for row in places
        },
        copies={row["person_id"]: {name: row[name] for name in _IDENTITY} for row in copies},
    )


_IDENTITY: Final = ("full_name", "email", "zone", "locale")


def picture_of(requests: Iterable[AcceptedRequest]) -> Picture:
    """Apply the requests in their order. Raises KeyError for a type that no partner can send."""
    picture = Picture()
    for request in requests:
        _APPLY[request.type](picture, request.organisation, request.data)
    return picture


def missing_effects(picture: Picture, facts: Facts, stored: Stored) -> list[str]:
    """What of the picture is not so, in words."""
    return [
        *_programs(picture, facts, stored),
        *_people(picture, facts, stored),
        *_places(picture, facts, stored),
        *_lines(picture, facts, stored),
        *_departures(picture, facts, stored),
    ]


def _configure(picture: Picture, organisation: str, data: Details) -> None:
    picture.programs[_full(organisation, data["program"])] = data


def _register(picture: Picture, organisation: str, data: Details) -> None:
    reference = data["person"]["reference"]
    _know(picture, organisation, data)
    if "manager" in data:
        picture.managers[organisation, reference] = data["manager"]
    place = (organisation, _full(organisation, data["program"]), reference)
    picture.active.add(place)
    _describe(picture, place, data["participant"])


def _update(picture: Picture, organisation: str, data: Details) -> None:
    _describe(picture, _place(organisation, data), data["participant"])


def _withdraw(picture: Picture, organisation: str, data: Details) -> None:
    picture.active.discard(_place(organisation, data))
    picture.withdrawn[_place(organisation, data)] += 1


def _rematch(picture: Picture, organisation: str, data: Details) -> None:
    picture.rematches[_place(organisation, data)] += 1


def _know(picture: Picture, organisation: str, data: Details) -> None:
    picture.people[organisation, data["person"]["reference"]] = {"locale": "en", **data["person"]}


def _report(picture: Picture, organisation: str, data: Details) -> None:
    picture.managers[organisation, data["person"]] = data["manager"]


def _erase(picture: Picture, organisation: str, data: Details) -> None:
    """Whoever reported to them reports to their manager from now on."""
    gone = (organisation, data["person"])
    picture.erased.append(UUID(str(data["person_id"])))
    picture.people.pop(gone, None)
    above = picture.managers.pop(gone, None)
    for person, manager in picture.managers.items():
        if person[0] == organisation and manager == data["person"]:
            picture.managers[person] = above
    for place in [place for place in picture.versions if (place[0], place[2]) == gone]:
        picture.active.discard(place)
        for kept in (picture.versions, picture.withdrawn, picture.rematches):
            kept.pop(place, None)


_APPLY: Final = {
    "mentorstream.program.configure.v1": _configure,
    "mentorstream.participant.register.v1": _register,
    "mentorstream.participant.update.v1": _update,
    "mentorstream.participant.withdraw.v1": _withdraw,
    "mentorstream.participant.request_rematch.v1": _rematch,
    "mentorstream.person.update.v1": _know,
    "mentorstream.reporting_line.set.v1": _report,
    ERASE: _erase,
}


def _programs(picture: Picture, facts: Facts, stored: Stored) -> list[str]:
    found = []
    last = {event.data.program_id: event.data for event in facts.of("registrations", asked.ProgramConfigured)}
    for name, data in picture.programs.items():
        told = last.get(stored.programs[name]) if name in stored.programs else None
        if told is None:
            found.append(f"program {name} was configured and is not told")
            continue
        wanted = {key: data[key] for key in ("title", "kind", "policy", "terms") if key in data}
        if not _includes(msgspec.to_builtins(told), wanted):
            found.append(f"program {name}: what was configured last is not what is told")
        organisations = {stored.organisations.get(each) for each in (name.partition("/")[0], *data.get("open_to", ()))}
        if set(told.organisations) != organisations:
            found.append(f"program {name} is open to other organisations than it was configured for")
    return found


def _people(picture: Picture, facts: Facts, stored: Stored) -> list[str]:
    found = []
    last = {event.data.person_id: event.data for event in facts.of("people", PersonKnown)}
    for person, details in picture.people.items():
        wanted = {name: details[name] for name in _IDENTITY}
        person_id = stored.people.get(person)
        told = None if person_id is None else last.get(person_id)
        if told is None or not _includes(msgspec.to_builtins(told), wanted):
            found.append(f"{person}: what was said of them last is not told on people")
        elif person_id is None or stored.copies.get(person_id) != wanted:
            found.append(f"{person}: what was said of them last is not what notifications knows")
    return found


def _places(picture: Picture, facts: Facts, stored: Stored) -> list[str]:
    found = []
    told: defaultdict[UUID, list[asked.ParticipantRegistered | asked.ParticipantUpdated]] = defaultdict(list)
    for event in facts.events["registrations"]:
        if isinstance(event.data, asked.ParticipantRegistered | asked.ParticipantUpdated):
            told[event.data.participant_id].append(event.data)
    for place, versions in picture.versions.items():
        there, active = stored.places.get(place), place in picture.active
        if there is None:
            found.append(f"{place} was registered: intake does not know it")
            continue
        events = told[there.participant_id]
        if there.active != active or there.decided != active:
            found.append(f"{place}: expected active {active}; intake {there.active}, matching {there.decided}")
        elif not _in_order(versions, [_details_of(event) for event in events]):
            found.append(f"{place}: a version of their details was never told, or not in order")
        elif _details_of(events[-1]) != versions[-1]:
            found.append(f"{place}: what was said of their details last is not what was told last")
        elif active and events[-1].profile.zone != picture.people[place[0], place[2]]["zone"]:
            found.append(f"{place}: their programs were not told of their zone")
        elif active and not {stored.people.get((place[0], each)) for each in picture.blocks[place]} <= {
            *events[-1].blocks
        }:
            found.append(f"{place}: not everybody whom they block was told")
    return found


def _lines(picture: Picture, facts: Facts, stored: Stored) -> list[str]:
    found = [
        f"{person} should report to {manager}; intake has {stored.managers.get(person)}"
        for person, manager in picture.managers.items()
        if stored.managers.get(person) != manager
    ]
    levels = {
        event.data.program_id: event.data.policy.boss_levels
        for event in facts.of("registrations", asked.ProgramConfigured)
    }
    told: dict[tuple[UUID, UUID], tuple[UUID, ...]] = {}
    for event in facts.events["registrations"]:
        data = event.data
        if isinstance(data, asked.ParticipantRegistered | asked.ParticipantUpdated):
            told[data.program_id, data.person_id] = data.managers
        elif isinstance(data, asked.ReportingLineChanged):
            told |= {(data.program_id, line.person_id): line.managers for line in data.lines}
    for place in picture.active:
        there = stored.places.get(place)
        if there is None:
            continue
        chain = picture.chain(place[0], place[2], levels.get(there.program_id, 0))
        wanted = tuple(stored.people.get((place[0], reference)) for reference in chain)
        if told.get((there.program_id, there.person_id)) != wanted:
            found.append(f"{place}: their program was not told of their {len(chain)} managers")
    return found


def _departures(picture: Picture, facts: Facts, stored: Stored) -> list[str]:
    """Withdrawals and wishes for another match, each told as often as it was asked; the erased gone from everywhere."""
    found = []
    left = Counter(event.data.participant_id for event in facts.of("registrations", asked.ParticipantWithdrawn))
    wishes = Counter(
        event.data.participant_id
        for event in facts.of("registrations", asked.RematchRequested)
        if event.data.match_id is None  # the answers to feedback name the match
    )
    for what, wanted, told in (("withdrawn", picture.withdrawn, left), ("rematch", picture.rematches, wishes)):
        for place, count in wanted.items():
            there = stored.places.get(place)
            if there is None or told[there.participant_id] != count:
                found.append(f"{place}: {what} was accepted {count} times and not told so often")
    erased = {event.data.person_id for event in facts.of("people", PersonErased)}
    known = {event.data.person_id for event in facts.of("people", PersonKnown)}
    joined = {
        event.data.participant_id: event.data.person_id
        for event in facts.of("registrations", asked.ParticipantRegistered)
    }
    for person_id in picture.erased:
        if person_id in {*stored.people.values(), *stored.copies}:
            found.append(f"{person_id} was erased and is still known")
        if person_id in known and person_id not in erased:
            found.append(f"{person_id} was erased and people does not tell")
        found += [
            f"{person_id} was erased and is still participant {participant_id}"
            for participant_id, person in joined.items()
            if person == person_id and not left[participant_id]
        ]
    return found


def _full(organisation: str, program: str) -> str:
    return program if "/" in program else f"{organisation}/{program}"


def _place(organisation: str, data: Details) -> Place:
    return (organisation, _full(organisation, data["program"]), data["person"])


def _describe(picture: Picture, place: Place, details: Details) -> None:
    hours = (
        (_DAYS.index(each["weekday"]) + 1, *(_minute(each[end]) for end in ("start", "end")))
        for each in details["availability"]
    )
    version = {
        "roles": tuple(details["roles"]),
        "capacity": details.get("capacity", 1) if "mentor" in details["roles"] else 0,
        "languages": tuple(details["languages"]),
        "availability": tuple(sorted(hours)),
        "style": details.get("style"),
        "industry": details.get("industry"),
        "seniority": details.get("seniority", 0),
        "credentials": tuple(details.get("credentials", ())),
        "audit_groups": tuple((each["attribute"], each["group"]) for each in details.get("audit_groups", ())),
        **{name: tuple(details.get(name, ())) for name in _LISTS},
        **{
            name: tuple((each["skill"], each.get("level", 3)) for each in details.get(name, ()))
            for name in ("offers", "wants")
        },
    }
    picture.blocks[place] = frozenset(details.get("blocks", ()))
    if picture.versions[place][-1:] != [version]:
        picture.versions[place].append(version)


def _details_of(told: asked.ParticipantRegistered | asked.ParticipantUpdated) -> Details:
    profile = told.profile
    return {
        "roles": told.roles,
        "capacity": told.capacity,
        "languages": profile.languages,
        "availability": tuple(
            sorted((each.weekday, each.start_minute, each.end_minute) for each in profile.availability)
        ),
        "style": profile.style,
        "industry": profile.industry,
        "seniority": profile.seniority,
        "credentials": told.credentials,
        "audit_groups": tuple((each.attribute, each.group) for each in told.audit_groups),
        **{name: getattr(profile, name) for name in _LISTS},
        "offers": tuple((each.skill, each.level) for each in profile.offers),
        "wants": tuple((each.skill, each.level) for each in profile.wants),
    }


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _in_order(wanted: Sequence[Details], told: Sequence[Details]) -> bool:
    """Whether all that is wanted was told, in this order; other things may have been told in between."""
    rest = iter(told)
    return all(any(version == each for each in rest) for version in wanted)


def _includes(whole: Any, part: Any) -> bool:
    """Whether everything that `part` names is the same in `whole`."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(key in whole and _includes(whole[key], part[key]) for key in part)
    if isinstance(part, list | tuple):
        return len(whole) == len(part) and all(map(_includes, whole, part))
    return bool(whole == part)
