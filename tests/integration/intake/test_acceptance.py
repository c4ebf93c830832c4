"""Groups of requests under one lock: two processes, conflicts, a group of which one fails, forgetting old ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from tests.support.records import eventually
from uuid_utils.compat import uuid7

from intake.adapters.postgres import AcceptedRequestsTimer, PostgresStore, PostgresTransaction
from intake.bootstrap import build
from intake.domain.book import Organisation
from intake.domain.refusals import Refused
from intake.handlers.acceptance import Acceptance, Acceptor, Outcome
from intake.handlers.ports import Earlier, RequestKey
from intake.handlers.submissions import event_of, submission_of
from mentorstream_events.registrations import ParticipantRegistered, ReportingLineChanged
from mentorstream_runtime.process import Process

from .conftest import Intake, PartnerClient, event, registration


async def test_two_processes_take_the_same_ids_and_lines_without_a_circle(intake: Intake, acme: PartnerClient) -> None:
    same = [event("participant.register", registration(f"e{number}")) for number in range(10)]
    ring = [
        event("reporting_line.set", {"person": f"e{number}", "manager": f"e{(number + 1) % 10}"})
        for number in range(10)
    ]
    async with (
        Process("intake", intake.settings, build, mode="api") as second,
        httpx.AsyncClient(base_url=second.http_url, timeout=30, trust_env=False) as http,
    ):
        clients = [acme, PartnerClient(http, "acme", acme.organisation_id, acme.key, "", "")]
        answers = await asyncio.gather(*(client.post(each) for each in same * 3 for client in clients))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["accepted"][0]["accepted_at"] for answer in answers}) <= 10
        rings = await asyncio.gather(*(clients[index % 2].post(each) for index, each in enumerate(ring)))
    assert sorted(answer.status_code for answer in rings) == [202] * 9 + [422]
    assert len(await intake.facts(ParticipantRegistered)) == 10
    assert await intake.facts(ReportingLineChanged) != []


class _Store:
    """The real store, which once does not see what was accepted before: as if another process were faster."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.blind = 1

    @asynccontextmanager
    async def transaction(self, organisations: Any, *, wait: bool) -> AsyncIterator[Any]:
        async with self.real.transaction(organisations, wait=wait) as transaction:
            if self.blind:
                self.blind -= 1
                transaction.__class__ = _Blind
            yield transaction

    def wake(self) -> None:
        self.real.wake()


class _Blind(PostgresTransaction):
    async def earlier(self, keys: Sequence[RequestKey]) -> Mapping[RequestKey, Earlier]:
        return {}


async def test_an_id_accepted_meanwhile_makes_it_look_again(intake: Intake, acme: PartnerClient) -> None:
    document = event("participant.register", registration("e1"))
    answer = await acme.post(document)
    runtime = intake.process.runtime
    acceptor = Acceptor(_Store(PostgresStore(runtime.pool, runtime, uuid7)), runtime.clock, pool_size=4)
    organisation = Organisation(acme.organisation_id, "acme")

    (outcome,) = await acceptor.accept(organisation, [submission_of(event_of(document))])

    assert isinstance(outcome, Acceptance)
    assert outcome.repeated
    assert json.loads(outcome.answer) == answer.json()["accepted"][0]
    assert len(await intake.facts(ParticipantRegistered)) == 1


async def test_requests_of_many_partners_are_stored_together_and_answered_each_for_itself(
    intake: Intake, acme: PartnerClient
) -> None:
    globex, initech = await intake.partner("globex"), await intake.partner("initech")
    await acme.configure(open_to=["globex"])
    runtime = intake.process.runtime
    acceptor = Acceptor(PostgresStore(runtime.pool, runtime, uuid7), runtime.clock, pool_size=4)

    async def register(partner: PartnerClient, number: int) -> Outcome:
        data = registration(f"e{number}", program="acme/leadership")
        submission = submission_of(event_of(event("participant.register", data)))
        (outcome,) = await acceptor.accept(Organisation(partner.organisation_id, partner.name), [submission])
        return outcome

    asking = [(partner, number) for number in range(10) for partner in (acme, globex, initech)]
    outcomes = await asyncio.gather(*(register(*each) for each in asking))

    rows = await intake.fetch("SELECT participant_id, organisation_id, xmin::text AS commit FROM participant")
    owner = {str(row["participant_id"]): row["organisation_id"] for row in rows}
    for (partner, _), outcome in zip(asking, outcomes, strict=True):
        if partner is initech:
            assert isinstance(outcome, Refused)
        else:
            assert isinstance(outcome, Acceptance)
            assert owner[json.loads(outcome.answer)["participant_id"]] == partner.organisation_id
    assert len(owner) == 20
    assert len(await intake.facts(ParticipantRegistered)) == 20
    # The first two begin at once, on their own; all that came meanwhile goes with one of the next.
    assert len({row["commit"] for row in rows}) <= 4


async def test_a_partner_whose_lock_is_held_does_not_hold_up_others(intake: Intake, acme: PartnerClient) -> None:
    others = [await intake.partner(name) for name in ("globex", "initech", "umbrella")]
    await asyncio.gather(*(other.configure() for other in others))
    pool = intake.process.runtime.pool
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM organisation WHERE organisation_id = $1 FOR UPDATE", acme.organisation_id)
        held = asyncio.create_task(acme.register("e1"))
        await asyncio.gather(*(other.register(f"e{number}") for number in range(5) for other in others))
        assert not held.done()
    assert (await held)["type"] == "mentorstream.participant.register.v1"
    assert len(await intake.facts(ParticipantRegistered)) == 16


async def test_partners_whose_locks_are_held_do_not_take_all_the_places(intake: Intake, acme: PartnerClient) -> None:
    globex, initech, umbrella = [await intake.partner(name) for name in ("globex", "initech", "umbrella")]
    await asyncio.gather(*(each.configure() for each in (globex, initech, umbrella)))
    held = (acme, globex, initech)
    holder = await asyncpg.connect(intake.settings.database_url.get_secret_value())
    try:
        async with holder.transaction():
            ids = [each.organisation_id for each in held]
            await holder.execute("SELECT FROM organisation WHERE organisation_id = ANY ($1) FOR UPDATE", ids)
            asking = [asyncio.create_task(each.register("e1")) for each in held]

            async def waiting() -> bool:
                waits = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                return bool(await holder.fetchval(f"{waits} WHERE NOT granted AND datname = current_database()") == 2)

            await eventually(waiting, what="two wait for locks")
            await umbrella.register("e1")
            assert not any(each.done() for each in asking)
    finally:
        await holder.close()
    await asyncio.gather(*asking)
    assert len(await intake.facts(ParticipantRegistered)) == 4


class _Failing:
    """The real store, in which whatever one organisation takes part in fails. Remembers how many went together."""

    def __init__(self, real: Any, culprit: str, statement: str) -> None:
        self.real = real
        self.culprit = culprit
        self.statement = statement
        self.sizes: list[int] = []

    @asynccontextmanager
    async def transaction(self, organisations: Any, *, wait: bool) -> AsyncIterator[Any]:
        self.sizes.append(len(organisations))
        async with self.real.transaction(organisations, wait=wait) as transaction:
            if self.culprit in {each.name for each in organisations}:
                await transaction._connection.execute(self.statement)
            yield transaction

    def wake(self) -> None:
        self.real.wake()


@pytest.mark.parametrize(
    ("statement", "error", "sizes"),
    [
        ("SELECT 1 / 0", asyncpg.DivisionByZeroError, [1, 1, 6, 3, 1, 2, 3]),
        ("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)", asyncpg.QueryCanceledError, [1, 1, 6] + [1] * 6),
    ],
)
async def test_what_one_partner_causes_is_no_other_partners_fault(
    intake: Intake, statement: str, error: type[Exception], sizes: list[int]
) -> None:
    organisations = [
        Organisation((await intake.partner(f"partner-{number}")).organisation_id, f"partner-{number}")
        for number in range(8)
    ]
    runtime = intake.process.runtime
    # The first two begin at once, on their own; the others go together.
    store = _Failing(PostgresStore(runtime.pool, runtime, uuid7), "partner-2", statement)
    acceptor = Acceptor(store, runtime.clock, pool_size=4)
    submission = submission_of(event_of(event("participant.register", registration("e1"))))

    outcomes = await asyncio.gather(
        *(acceptor.accept(each, [submission]) for each in organisations), return_exceptions=True
    )

    assert store.sizes == sizes
    assert isinstance(outcomes[2], error)
    # Nobody has a program, so a refusal is what each is due.
    others = [each for index, each in enumerate(outcomes) if index != 2]
    assert all(isinstance(each, list | tuple) and isinstance(each[0], Refused) for each in others)


async def test_a_database_that_is_away_fails_a_group_once(intake: Intake) -> None:
    organisations = [
        Organisation((await intake.partner(f"partner-{number}")).organisation_id, f"partner-{number}")
        for number in range(8)
    ]
    runtime = intake.process.runtime
    ended = "SELECT pg_terminate_backend(pg_backend_pid())"
    store = _Failing(PostgresStore(runtime.pool, runtime, uuid7), "partner-2", ended)
    acceptor = Acceptor(store, runtime.clock, pool_size=4)
    submission = submission_of(event_of(event("participant.register", registration("e1"))))

    outcomes = await asyncio.gather(
        *(acceptor.accept(each, [submission]) for each in organisations), return_exceptions=True
    )

    assert store.sizes == [1, 1, 6]
    assert [isinstance(each, Exception) for each in outcomes] == [False] * 2 + [True] * 6


async def test_ids_are_forgotten_after_their_time(intake: Intake, acme: PartnerClient) -> None:
    await acme.register("e1")
    timer = AcceptedRequestsTimer(intake.process.runtime.pool, timedelta(days=30), batch=1)
    now = datetime.now(UTC)
    due = await timer.next_due()
    assert due is not None
    assert timedelta(days=29) < due - now <= timedelta(days=30, hours=1)
    assert (due.minute, due.second) == (0, 0)
    assert await timer.run_due(now) == 0
    later = due + timedelta(hours=1)  # the second may have come in the hour after the first
    assert [await timer.run_due(later) for _ in range(3)] == [1, 1, 0]
    assert await timer.next_due() is None


async def test_an_event_after_its_id_was_forgotten_is_a_new_cause(intake: Intake, acme: PartnerClient) -> None:
    rematch = event("participant.request_rematch", {"program": "leadership", "person": "e1"})
    await acme.register("e1")
    await acme.post(rematch)
    await intake.fetch("DELETE FROM accepted_request")
    await acme.post(rematch)
    ids = [each.id for each in await intake.events("registrations") if "rematch" in each.type]
    assert len(set(ids)) == 2


async def test_openapi_has_an_example_of_every_request(intake: Intake) -> None:
    from mentorstream_events.partner import REQUESTS

    schema = (await intake.http.get("/openapi.json")).json()
    content = schema["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    examples = content["application/cloudevents+json"]["examples"]
    assert set(examples) == set(REQUESTS)
    for example in examples.values():
        submission_of(event_of(example["value"]))
    partner = await intake.partner("north-hospital")
    await partner.configure("leadership")
    csv = schema["paths"]["/v1/imports"]["post"]["requestBody"]["content"]["text/csv"]["example"]
    answer = await partner.imports(csv)
    assert answer.status_code == 202, answer.text
