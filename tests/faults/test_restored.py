"""F18: the database put back to an earlier moment, and the broker replaced by an empty one.

The services stop and name the runbook; the runbook is followed by the commands that it names. What is checked beside
the invariants: nobody is mailed twice, no mail goes to somebody erased, and matches have the ids that they had.
"""

from __future__ import annotations

import contextlib
import email
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.run import Run
from tests.faults.system import FaultSystem, own_system

from mentorstream_local.commands_restore import recover
from mentorstream_local.daemons import StartError
from mentorstream_local.migrations import SERVICES_WITH_DATABASE
from mentorstream_local.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.load import Load
    from tests.faults.outcomes import Effort, Record

pytestmark = pytest.mark.fault("F18")
_DECIDED = (
    "SELECT match_id, mentor_person_id, mentee_person_id, status, confirmed_at FROM matching.match ORDER BY match_id"
)


@pytest.fixture
def apart() -> Iterator[FaultSystem]:
    """A system of this test alone: its servers lose what they hold."""
    with own_system() as system:
        yield system


async def test_the_database_put_back(apart: FaultSystem, record: Record, effort: Effort) -> None:
    system = apart
    async with Run.on(system, seed=effort.seed) as run:
        await run.send(run.load(people=effort.size(60, 300)))
        await run.live(days=5)
        await run.offline(_stop, system)
        await run.offline(_keep, system)
        await run.offline(system.start_all)
        # What the backup lacks: people, programs, erasures, answers, meetings that were held, mails.
        lost = run.load(people=effort.size(60, 300))
        await run.send(lost)
        await run.live(days=5)
        before = await _decided(run)
        mails, erased = run.people.arrivals(), _erased(system)
        to_erased = _mails_to(system, erased)
        await run.offline(_stop, system)
        await run.offline(_put_back, system)
        await _same_time(run)
        assert await run.offline(_refusals, system) == {"restored_database"}
        for _ in range(2):  # the second time changes nothing
            await run.offline(recover, "restore", "all", system.wiring)
        await run.offline(system.start_all)
        drained = await run.drain()
        assert run.people.arrivals() == mails
        # Partners send again what they sent since, as the runbook says.
        numbered = await _numbered(run)
        await run.send(_sent_again(lost))
        await run.drain()
        assert await _numbered(run) == numbered
        assert run.people.arrivals() == mails
        assert await _decided(run) == before
        # That requests were accepted is remembered of those alone that came again.
        again = {item.event_id for requests in lost.requests.values() for each in requests for item in each.items}
        again |= {item.event_id for each in lost.programs for item in each.items}
        system.ledger.events[:] = [
            event for event in system.ledger.events if not event[1].startswith(f"{lost.name}-") or event[1] in again
        ]
        await run.send(run.load(people=effort.size(40, 200)))
        await run.live(days=10)
        await run.check()
        assert _mails_to(system, erased) == to_erased
        record(matches=len(before), mails_before=mails.total(), drained_seconds=drained)


async def test_the_broker_replaced(apart: FaultSystem, record: Record, effort: Effort) -> None:
    system = apart
    async with Run.on(system, seed=effort.seed) as run:
        await run.send(run.load(people=effort.size(60, 300)))
        await run.live(days=8)
        before = await _decided(run)
        mails, erased = run.people.arrivals(), _erased(system)
        to_erased = _mails_to(system, erased)
        await run.offline(_stop, system)
        await run.offline(_replace_broker, system)
        assert await run.offline(_refusals, system) == {"other_cluster"}
        for _ in range(2):
            await run.offline(recover, "republish", "all", system.wiring)
        await run.offline(system.start_all)
        drained = await run.drain()
        assert await _decided(run) == before
        assert run.people.arrivals() == mails
        assert await _dead_letters(run) == 0
        await run.send(run.load(people=effort.size(40, 200)))
        await run.live(days=10)
        assert await _dead_letters(run) == 0
        assert _mails_to(system, erased) == to_erased
        record(matches=len(before), drained_seconds=drained)


def _erased(system: FaultSystem) -> set[str]:
    """Addresses of those who were erased so far."""
    assert system.ledger.erased, "the load erases somebody"
    return {f"{reference}@people.example" for _, reference, _ in system.ledger.erased}


def _mails_to(system: FaultSystem, addresses: set[str]) -> int:
    """How many mails arrived for them."""
    arrived = (email.message_from_bytes(path.read_bytes()) for path in system.mailbox.glob("*.eml"))
    return sum(parseaddr(str(message["To"]))[1] in addresses for message in arrived)


def _stop(system: FaultSystem) -> None:
    for service in system.services.values():
        service.stop()


def _keep(system: FaultSystem) -> None:
    """What a backup does, of a server that stands still."""
    data = system.postgres.directory / "data"
    system.postgres.stop()
    subprocess.run(["cp", "-a", data, data.with_name("kept")], check=True)  # noqa: S603, S607 - owners are kept
    system.postgres.start()


def _put_back(system: FaultSystem) -> None:
    data = system.postgres.directory / "data"
    system.postgres.kill()
    shutil.rmtree(data)
    data.with_name("kept").rename(data)
    system.postgres.start()


def _replace_broker(system: FaultSystem) -> None:
    system.broker.kill()
    for path in system.broker.directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    system.broker.start()
    wiring = system.wiring
    create_topics(wiring.servers.kafka_bootstrap, wiring.topic_prefix)


def _refusals(system: FaultSystem) -> set[str]:
    """Why the services do not work as they are; each names a runbook."""
    with ThreadPoolExecutor(len(SERVICES_WITH_DATABASE)) as pool:
        each = list(pool.map(lambda name: _halts(system, name), SERVICES_WITH_DATABASE))
    halts = [halt for found in each for halt in found]
    assert all(halt["runbook"].startswith("docs/operations/") for halt in halts)
    return {halt["reason"] for halt in halts}


def _halts(system: FaultSystem, name: str) -> list[dict[str, Any]]:
    """Start a service, and end it once its relay has said why it does not begin."""
    service = system.services[name]
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(service.start, timeout_seconds=90)
        while not (halts := system.said(name, "relay_halted")) and not starting.done():
            time.sleep(0.1)
        service.kill_now()
        with contextlib.suppress(StartError):
            starting.result()
    service.kill()
    assert halts, f"{name} did not halt:\n{service.last_lines()}"
    return halts


async def _same_time(run: Run) -> None:
    """Business time went on while the database went back."""
    async with run.connection() as connection:
        await connection.execute("UPDATE clock.business_time SET now = $1", run.system.now)


async def _decided(run: Run) -> list[tuple[object, ...]]:
    async with run.connection() as connection:
        return [tuple(row) for row in await connection.fetch(_DECIDED)]


async def _numbered(run: Run) -> int:
    """How many events intake has published."""
    async with run.connection() as connection:
        return int(await connection.fetchval("SELECT sum(number) FROM intake.outbox_sequence"))


async def _dead_letters(run: Run) -> int:
    async with run.connection() as connection:
        return sum(
            [await connection.fetchval(f"SELECT count(*) FROM {name}.dead_letter") for name in SERVICES_WITH_DATABASE]
        )


def _sent_again(load: Load) -> Load:
    """What partners send again without changing anything: whoever was spoken of once."""
    spoken_of = Counter(
        item.reference for requests in load.requests.values() for request in requests for item in request.items
    )
    load.requests = {
        organisation: [request for request in requests if all(spoken_of[item.reference] == 1 for item in request.items)]
        for organisation, requests in load.requests.items()
    }
    assert load.size > 0
    return load
