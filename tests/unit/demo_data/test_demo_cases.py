"""Each awkward case of the demo is in its data, built so that it bites, and told in the README by name."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mentorstream_local.demo.data import DIRECTORY, STARTS_AT, DemoData, Erasure, LaterEvent, load

from .registrations import Registration, minutes, registrations

MONDAY = datetime(2026, 3, 9)  # noqa: DTZ001 - local midnight, given a zone where it is used
README = (DIRECTORY / "README.md").read_text(encoding="utf-8")
PEOPLE: list[dict[str, Any]] = tomllib.loads((DIRECTORY / "source/people.toml").read_text(encoding="utf-8"))["person"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture(scope="module")
def data() -> DemoData:
    return load()


@pytest.fixture(scope="module")
def everybody(data: DemoData) -> list[Registration]:
    return registrations(data)


@pytest.fixture(scope="module")
def programs(data: DemoData) -> dict[str, dict[str, Any]]:
    told = ((event.organisation, json.loads(event.body)["data"]) for event in data.programs)
    return {f"{organisation}/{request['program']}": request for organisation, request in told}


def named(everybody: list[Registration], full_name: str, program: str | None = None) -> Registration:
    (found,) = [one for one in everybody if one.full_name == full_name and program in (None, one.program)]
    return found


def free_at(one: Registration, week: int = 0) -> set[datetime]:
    """Quarters of an hour of a week, in UTC, in which somebody is free."""
    quarters, zone = set(), ZoneInfo(one.zone)
    for weekday, start, end in map(minutes, one.availability):
        day = MONDAY + timedelta(days=7 * week + WEEKDAYS.index(weekday))
        for minute in range(start, end, 15):
            local = (day + timedelta(minutes=minute)).replace(tzinfo=zone)
            quarters.add(local.astimezone(ZoneInfo("UTC")))
    return quarters


def later_of(data: DemoData, kind: str) -> list[tuple[int, dict[str, Any]]]:
    events = [action for action in data.later if isinstance(action, LaterEvent)]
    return [
        (action.day, json.loads(action.event.body)["data"])
        for action in events
        if action.event.type == f"mentorstream.{kind}.v1"
    ]


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person["reference"])
def test_the_readme_tells_each_case_and_person(person: dict[str, Any]) -> None:
    assert person["case"] in README
    assert person["full_name"] in README
    assert f"`{person['reference']}`" in README


def test_a_mentor_of_capacity_one_is_wanted_by_many(everybody: list[Registration]) -> None:
    henrik = named(everybody, "Henrik Skovgaard-Brandt")
    suitors = [one for one in everybody if one.program == henrik.program and one.wants == henrik.offers]
    assert henrik.capacity == 1
    assert len(suitors) >= 9
    assert all(one.languages & henrik.languages for one in suitors)


def test_nobody_speaks_the_language(everybody: list[Registration]) -> None:
    maialen = named(everybody, "Maialen Etxeberria Urrutikoetxea")
    assert not any(one.languages & maialen.languages for one in everybody if one != maialen)


def test_the_boss_and_the_bosss_boss_are_the_only_ones_with_the_skill(everybody: list[Registration]) -> None:
    sofie, boss, top = (named(everybody, name) for name in ("Sofie Ravnkilde", "Mikkel Thorsøe", "Birgitte Askholm"))
    assert (sofie.manager, boss.manager, top.manager) == (boss.reference, top.reference, None)
    offering = [one for one in everybody if one.offers & sofie.wants and one.program == sofie.program]
    assert {one.full_name for one in offering} == {boss.full_name, top.full_name}
    assert all(one.offers == sofie.wants and one.goals == sofie.goals for one in offering)
    assert all(len(free_at(sofie) & free_at(one)) >= 8 for one in offering)


def test_in_a_reverse_program_a_mentee_is_the_boss_of_the_mentor(
    everybody: list[Registration], programs: dict[str, dict[str, Any]]
) -> None:
    boss, report = named(everybody, "Rajeshwari Balakrishnan"), named(everybody, "Arvid Töpfer")
    assert programs[boss.program]["kind"] == "reverse"
    assert (boss.roles, report.roles, report.manager) == (("mentee",), ("mentor",), boss.reference)
    assert boss.program == report.program
    assert boss.wants == report.offers
    assert boss.seniority > report.seniority
    assert len(free_at(boss) & free_at(report)) >= 4


def test_organisations_share_programs(everybody: list[Registration], programs: dict[str, dict[str, Any]]) -> None:
    def senders(program: str) -> set[str]:
        return {one.organisation for one in everybody if one.program == program}

    assert senders("okafor-lindqvist/regulation") == {"okafor-lindqvist", "nordhaven-bank"}
    assert programs["okafor-lindqvist/regulation"]["policy"]["organisations"] == "other"
    assert len(senders("brightwire/open-circle")) == 4


def test_someone_is_in_two_programs_with_ample_hours(everybody: list[Registration]) -> None:
    entries = [one for one in everybody if one.full_name == "Priyamvada Kulkarni-Shah"]
    assert len({one.program for one in entries}) == 2
    assert all(one.hours >= 10 for one in entries)


def test_someone_is_mentor_here_and_mentee_there_and_someone_both_at_once(everybody: list[Registration]) -> None:
    entries = [one for one in everybody if one.full_name == "Þórunn Sæmundsdóttir"]
    assert sorted(one.roles for one in entries) == [("mentee",), ("mentor",)]
    assert named(everybody, "Tāmati Rewi-Jones").roles == ("mentor", "mentee")


def test_blocks_go_both_ways_between_a_good_pair(everybody: list[Registration]) -> None:
    callum, maribel = named(everybody, "Callum Strathdee"), named(everybody, "Maribel Hawksworth")
    assert callum.blocks == {maribel.reference}
    assert maribel.blocks == {callum.reference}
    assert callum.offers == maribel.wants
    assert free_at(callum) & free_at(maribel)


@pytest.mark.parametrize("week", range(5))
def test_auckland_and_new_york_have_no_common_time(everybody: list[Registration], week: int) -> None:
    wiremu, deborah = named(everybody, "Wiremu Tangaroa-Hale"), named(everybody, "Deborah Finkelmeyer")
    assert (wiremu.zone, deborah.zone) == ("Pacific/Auckland", "America/New_York")
    mentors = [one for one in everybody if one.program == wiremu.program and "mentor" in one.roles]
    assert deborah in mentors
    assert not any(len(free_at(wiremu, week) & free_at(one, week)) >= 4 for one in mentors)


def test_zones_have_half_hours_and_change_clocks_on_other_dates(everybody: list[Registration]) -> None:
    zones = {one.zone for one in everybody}
    assert {"Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide", "Pacific/Auckland", "America/Santiago"} <= zones

    def gap(one: str, other: str, day: int) -> timedelta | None:
        noon = STARTS_AT + timedelta(days=day, hours=4)
        first, second = (noon.astimezone(ZoneInfo(name)).utcoffset() for name in (one, other))
        return None if first is None or second is None else first - second

    duncan, philippa = named(everybody, "Duncan Abernethy-Roy"), named(everybody, "Philippa Cranmore")
    assert gap(philippa.zone, duncan.zone, 0) == timedelta(hours=4)
    assert gap(philippa.zone, duncan.zone, 21) == timedelta(hours=5)
    assert all(len(free_at(duncan, week) & free_at(philippa, week)) >= 4 for week in range(4))
    mele, jarrah = named(everybody, "Mele Fonoti"), named(everybody, "Jarrah Whitcombe")
    assert gap(mele.zone, jarrah.zone, 0) == gap(mele.zone, jarrah.zone, 27) == timedelta(hours=2, minutes=30)
    assert gap(mele.zone, "UTC", 0) != gap(mele.zone, "UTC", 27)


def test_a_pair_is_free_only_around_the_hour_that_is_skipped(everybody: list[Registration]) -> None:
    uwe, joerdis = named(everybody, "Uwe Grabowsky-Thelen"), named(everybody, "Jördis Feldkötter")
    assert joerdis.availability == ("sun 01:30-03:30",)
    assert (uwe.zone, joerdis.zone) == ("Europe/Berlin", "Europe/Berlin")
    assert len(free_at(uwe, 1) & free_at(joerdis, 1)) == 6
    # On 29 March 02:00 is 03:00: of the ninety minutes thirty are left.
    skipped = datetime(2026, 3, 29, 2, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert skipped.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo("Europe/Berlin")).hour == 3


def test_hours_reach_midnight_and_go_on(everybody: list[Registration]) -> None:
    assert {"fri 22:00-24:00", "sat 00:00-01:30"} <= set(named(everybody, "Darius Okonjo-Flint").availability)


def test_names_and_fields_are_hard_to_write(everybody: list[Registration]) -> None:
    for name in ("सुमन श्रेष्ठ", "陈嘉怡", "ليلى حداد"):
        assert named(everybody, name).email.isascii()
    assert 170 <= max(len(one.full_name) for one in everybody) <= 200
    duarte = named(everybody, 'Duarte "Zé" Quintanilha, Filho')
    assert any("," in goal and '"' in goal for goal in duarte.goals)
    assert len(duarte.goals) == len(duarte.availability) == 2
    raw = (DIRECTORY / "organisations/valerio-alumni/participants.csv").read_bytes()
    assert '"Duarte ""Zé"" Quintanilha, Filho"'.encode() in raw
    assert b'"mon 18:00-20:30;\nwed 18:00-21:00"' in raw
    assert (DIRECTORY / "organisations/stadt-rheinau/participants.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_mail_bounces_for_one_and_is_deferred_for_another(everybody: list[Registration]) -> None:
    assert [one.full_name for one in everybody if one.email.startswith("reject-5xx")] == ["Gustave Ellery-Knox"]
    assert [one.full_name for one in everybody if one.email.startswith("defer-4xx-2")] == ["Otávio Pedrosa de Lima"]


def test_programs_are_of_several_kinds(programs: dict[str, dict[str, Any]]) -> None:
    assert {"formal", "informal", "group", "peer", "reverse", "flash"} == {
        one.get("kind", "formal") for one in programs.values()
    }
    assert sum(one.get("policy", {}).get("mentor_consent", False) for one in programs.values()) == 3
    policies = [one.get("policy", {}) for one in programs.values()]
    assert {"rounds", "review", "on_request"} <= {policy.get("matching") for policy in policies}
    assert {"fairness", "participation", "stability"} <= {policy.get("objective") for policy in policies}
    assert programs["stclare-hospitals/clinical-supervision"]["policy"]["mentor_credentials"] == ["trained"]
    assert programs["stclare-hospitals/mentor-bench"]["roles"] == ["mentor"]


def test_one_mentor_lacks_the_credential(everybody: list[Registration]) -> None:
    mentors = [o for o in everybody if o.program == "stclare-hospitals/clinical-supervision" and "mentor" in o.roles]
    assert [one.full_name for one in mentors if "trained" not in one.credentials] == ["Marcus Delacroix-Webb"]


def test_someone_withdraws_and_someone_is_erased(data: DemoData) -> None:
    assert [(day, said["person"]) for day, said in later_of(data, "participant.withdraw")] == [
        (12, "TL-00311"),
        (16, "TL-00317"),
    ]
    erased = [(action.day, action.person) for action in data.later if isinstance(action, Erasure)]
    assert erased == [(9, "e000117"), (18, "KE000219")]


def test_someone_asks_for_a_rematch_and_a_mentor_becomes_the_boss(
    data: DemoData, everybody: list[Registration]
) -> None:
    assert [(day, said["person"]) for day, said in later_of(data, "participant.request_rematch")] == [
        (13, "alum-00023")
    ]
    ((day, line),) = later_of(data, "reporting_line.set")
    mentee, mentor = named(everybody, "Adaeze Nwachukwu-Hill"), named(everybody, "Folke Lindgren-Ståhl")
    assert (day, line) == (11, {"person": mentee.reference, "manager": mentor.reference})
    assert mentor.offers == mentee.wants
    assert mentor.capacity == 1


def test_hours_capacity_and_zone_change(data: DemoData, everybody: list[Registration]) -> None:
    updates = {said["person"]: (day, said["participant"]) for day, said in later_of(data, "participant.update")}
    assert {person: day for person, (day, _) in updates.items()} == {"e000133": 8, "TL-00323": 15, "TL-00322": 20}
    assert [h["weekday"] for h in updates["e000133"][1]["availability"]] == ["tuesday", "wednesday", "saturday"]
    assert (named(everybody, "Łucja Żółkiewska").capacity, updates["TL-00323"][1]["capacity"]) == (3, 1)
    assert (named(everybody, "Roland Achterberg").capacity, updates["TL-00322"][1]["capacity"]) == (0, 2)
    ((day, moved),) = later_of(data, "person.update")
    before = named(everybody, "Hester Wainwright-Kuiper")
    assert (day, before.zone, moved["person"]["zone"]) == (14, "Europe/Amsterdam", "Asia/Singapore")
    assert (moved["person"]["full_name"], moved["person"]["email"]) == (before.full_name, before.email)


def test_a_mentor_and_a_mentee_register_late(data: DemoData) -> None:
    late = later_of(data, "participant.register")
    assert [(day, said["participant"]["roles"]) for day, said in late] == [(6, ["mentor"]), (10, ["mentee"])]
