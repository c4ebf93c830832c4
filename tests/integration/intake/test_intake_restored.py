"""The database of intake went back: partners who send again meet the same people, and the erased stay erased."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
from tests.support.services import settings_for
from tests.support.set_back import run_to_end, set_back

from intake.bootstrap import build
from intake.handlers.credentials import Sealer
from intake.settings import IntakeSettings
from mentorstream_events.people import PersonErased, PersonKnown
from mentorstream_events.registrations import ParticipantRegistered
from mentorstream_runtime.process import Process

from .conftest import ENCRYPTION_KEY, Intake, PartnerClient, details, person

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

# Everything that intake knows, but for the requests that it accepted.
STATE = {
    "program": "SELECT * FROM program ORDER BY program_id",
    "program_organisation": "SELECT * FROM program_organisation ORDER BY program_id, organisation_id",
    "vocabulary": "SELECT * FROM vocabulary ORDER BY program_id",
    "person": "SELECT * FROM person ORDER BY person_id",
    "participant": "SELECT * FROM participant ORDER BY participant_id",
    "erased_person": "SELECT person_id FROM erased_person ORDER BY person_id",
}
LINKS = [{"skill": "python", "kind": "parent", "to_skill": "programming"}]


async def test_what_partners_sent_since_is_known_and_the_erased_stay_erased(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    settings = settings_for(
        IntakeSettings,
        servers,
        database,
        topic_prefix,
        service="intake",
        encryption_keys=[ENCRYPTION_KEY],
        lane_lease_seconds=1.0,
    )

    @contextlib.asynccontextmanager
    async def running() -> AsyncIterator[Intake]:
        async with (
            Process("intake", settings, build) as process,
            httpx.AsyncClient(base_url=process.http_url, timeout=30, trust_env=False) as http,
        ):
            yield Intake(process, settings, http, database, servers, topic_prefix, Sealer([ENCRYPTION_KEY]))

    async with running() as intake:
        acme, other = await intake.partner("acme"), await intake.partner("other")
        await acme.configure()
        await acme.register("stays", manager="chief")
        groups = [{"attribute": "shift", "group": "night"}]  # go when they leave, also in what is restored
        await acme.register("leaves", participant=details("mentee", audit_groups=groups))
        await acme.register("goes")
        await intake.events("registrations")
    async with set_back(servers, database), running() as intake:
        acme.http = other.http = intake.http
        await _go_on(acme, other)
        numbered = await _numbered(intake)
        before = {name: await intake.fetch(query) for name, query in STATE.items()}
        people = {row["reference"]: row["person_id"] for row in before["person"]}
        (erased,) = {each.person_id for each in await intake.facts(PersonErased, "people")}
    for _ in range(2):  # the second time changes nothing
        await run_to_end(Process("intake", settings, build, mode="restore"))
    async with running() as intake:
        acme.http = other.http = intake.http
        for name, query in STATE.items():
            assert await intake.fetch(query) == before[name], name
        numbered = await _numbered(intake)
        # Partners send again what they sent since, but nothing of whom they erased: that is no news to anybody.
        again = await acme.register("new", "mentor", manager="stays")
        assert again["person_id"] == str(people["new"])
        await other.configure("shared", open_to=["acme"], policy={"boss_levels": 1})
        await acme.register("new", program="other/shared")
        await acme.tell("vocabulary.configure", {"program": "leadership", "links": LINKS})
        assert await _numbered(intake) == numbered
        # Who was erased and comes back is somebody new.
        back = await acme.register("goes")
        assert back["person_id"] != str(erased)
        assert (await intake.fetch("SELECT count(*) FROM person WHERE person_id = $1", erased))[0][0] == 0
        told = [each for each in await intake.facts(PersonKnown, "people") if each.person_id == erased]
        assert len(told) == 1
        assert back["person_id"] in {str(each.person_id) for each in await intake.facts(ParticipantRegistered)}


async def _go_on(acme: PartnerClient, other: PartnerClient) -> None:
    """One of each kind of fact."""
    await other.configure("shared", open_to=["acme"], policy={"boss_levels": 1})
    await acme.configure(title="Leading", policy={"boss_levels": 3})
    await acme.tell("vocabulary.configure", {"program": "leadership", "links": LINKS})
    await acme.register("new", "mentor", manager="stays")
    await acme.register("new", program="other/shared")
    await acme.register("stays", "mentee", "mentor", person=person("stays", full_name="Another Name"))
    await acme.tell("participant.withdraw", {"program": "leadership", "person": "leaves"})
    await acme.tell("reporting_line.set", {"person": "stays", "manager": "leaves"})
    answer = await acme.http.delete("/v1/people/goes", headers=acme.headers)
    assert answer.status_code == 202, answer.text


async def _numbered(intake: Intake) -> int:
    """How many events intake has decided since it was restored, and of each key before."""
    return int((await intake.fetch("SELECT sum(number) FROM outbox_sequence"))[0][0])
