"""I1: whatever was accepted and had no effect is found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.local.story import (
    ANNA,
    ANNA_HERE,
    BEN,
    BEN_HERE,
    CLEO,
    PROGRAM,
    REQUESTED_HOURS,
    REQUESTS,
    Story,
    known,
    registered,
)
from tests.unit.local.story import stored as whole
from tests.unit.local.story import story as told

from mentorstream_events import registrations as asked
from mentorstream_events.people import PersonErased
from mentorstream_events.values import ReportingLine
from mentorstream_local.demo.accepted import ERASE, AcceptedRequest, Stored, StoredPlace, missing_effects, picture_of

ANNA_PLACE = ("aurora", "aurora/data", "A-1")
BEN_PLACE = ("aurora", "aurora/data", "A-2")


def found(story: Story, *later: AcceptedRequest, stored: Stored | None = None) -> list[str]:
    return missing_effects(picture_of([*REQUESTS, *later]), story.facts, stored or whole())


def request(kind: str, **data: Any) -> AcceptedRequest:
    return AcceptedRequest("aurora", f"mentorstream.{kind}.v1", data)


def test_nothing_is_missing_where_all_had_its_effect() -> None:
    assert found(told()) == []


def test_an_update_that_was_not_told_is_missed() -> None:
    update = request(
        "participant.update",
        program="data",
        person="A-1",
        participant={"roles": ["mentor"], "capacity": 3, "languages": ["en"], "availability": REQUESTED_HOURS},
    )
    assert found(told(), update) == [f"{ANNA_PLACE}: a version of their details was never told, or not in order"]


def test_a_version_that_was_told_and_then_undone_is_missed() -> None:
    story = told()
    story.add(registered(ANNA, ANNA_HERE, "mentor"))
    assert found(story) == [f"{ANNA_PLACE}: what was said of their details last is not what was told last"]


def test_a_withdrawal_without_effect_is_missed() -> None:
    withdraw = request("participant.withdraw", program="data", person="A-2")
    assert found(told(), withdraw) == [
        f"{BEN_PLACE}: expected active False; intake True, matching True",
        f"{BEN_PLACE}: withdrawn was accepted 1 times and not told so often",
    ]
    story = told()
    story.add(asked.ParticipantWithdrawn(program_id=PROGRAM, participant_id=BEN_HERE, person_id=BEN))
    gone = StoredPlace(PROGRAM, BEN_HERE, BEN, active=False, decided=True)
    assert found(story, withdraw, stored=whole(places={**whole().places, BEN_PLACE: gone})) == [
        f"{BEN_PLACE}: expected active False; intake False, matching True"
    ]


def test_a_wish_for_another_match_that_was_not_told_is_missed() -> None:
    wish = request("participant.request_rematch", program="data", person="A-2")
    story = told()
    assert found(story, wish) == [f"{BEN_PLACE}: rematch was accepted 1 times and not told so often"]
    story.add(asked.RematchRequested(program_id=PROGRAM, participant_id=BEN_HERE))
    assert found(story, wish) == []


def test_a_reporting_line_must_reach_intake_and_the_persons_programs() -> None:
    line = request("reporting_line.set", person="A-2", manager="A-1")
    moved = whole(managers={**whole().managers, ("aurora", "A-2"): "A-1"})
    story = told()
    assert found(story, line)[0] == "('aurora', 'A-2') should report to A-1; intake has A-3"
    assert found(story, line, stored=moved) == [f"{BEN_PLACE}: their program was not told of their 1 managers"]
    lines = (ReportingLine(person_id=BEN, managers=(ANNA,)),)
    story.add(asked.ReportingLineChanged(program_id=PROGRAM, lines=lines))
    assert found(story, line, stored=moved) == []


def test_reports_of_the_erased_move_up() -> None:
    above = request("reporting_line.set", person="A-3", manager="A-1")
    erase = AcceptedRequest("aurora", ERASE, {"person": "A-3", "person_id": str(CLEO)})
    picture = picture_of([*REQUESTS, above, erase])
    assert picture.chain("aurora", "A-2", 2) == ["A-1"]


def test_persons_details_must_be_told_and_reach_who_writes_to_them() -> None:
    details = {"reference": "A-1", "full_name": "Anne", "email": "anne@example.org", "zone": "Europe/Paris"}
    update = request("person.update", person=details)
    assert found(told(), update) == ["('aurora', 'A-1'): what was said of them last is not told on people"]
    story = told()
    story.add(known(ANNA, "Anne"))
    assert found(story, update) == ["('aurora', 'A-1'): what was said of them last is not what notifications knows"]


def test_a_new_zone_must_reach_the_persons_programs() -> None:
    details = {"reference": "A-1", "full_name": "Anna", "email": "anna@example.org", "zone": "Asia/Tokyo"}
    story = told()
    story.add(msgspec.structs.replace(known(ANNA, "Anna"), zone="Asia/Tokyo"))
    copies = {**whole().copies, ANNA: {**whole().copies[ANNA], "zone": "Asia/Tokyo"}}
    assert found(story, request("person.update", person=details), stored=whole(copies=copies)) == [
        f"{ANNA_PLACE}: their programs were not told of their zone"
    ]


def test_a_program_must_be_told_as_it_was_configured_last() -> None:
    again = request("program.configure", program="data", title="Women in data", policy={"boss_levels": 3})
    assert found(told(), again) == ["program aurora/data: what was configured last is not what is told"]
    opened = request("program.configure", program="data", title="Women in data", open_to=["birch"])
    assert found(told(), opened) == ["program aurora/data is open to other organisations than it was configured for"]


@pytest.mark.parametrize("forgotten", ["person", "participant"])
def test_the_erased_must_be_gone_everywhere(forgotten: str) -> None:
    erase = AcceptedRequest("aurora", ERASE, {"person": "A-2", "person_id": str(BEN)})
    state = whole(
        people={key: value for key, value in whole().people.items() if value != BEN},
        managers={key: value for key, value in whole().managers.items() if key != ("aurora", "A-2")},
        places={ANNA_PLACE: whole().places[ANNA_PLACE]},
        copies={ANNA: whole().copies[ANNA]},
    )
    story = told()
    if forgotten == "participant":
        story.add(PersonErased(person_id=BEN))
        expected = f"{BEN} was erased and is still participant {BEN_HERE}"
    else:
        story.add(asked.ParticipantWithdrawn(program_id=PROGRAM, participant_id=BEN_HERE, person_id=BEN))
        expected = f"{BEN} was erased and people does not tell"
    assert found(story, erase, stored=state) == [expected]
