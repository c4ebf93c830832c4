"""F7: records that nobody can read, records that bring out a fault of the code, and more of them than can be right."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from tests.faults.load import Item
from tests.faults.pointed import RECORD_VARIABLE
from tests.faults.poison import KINDS, poison
from tests.faults.requests import cloud_event, person, registration

from mentorstream_local.migrations import role_url, worker_role
from mentorstream_local.system import DATABASE

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

    from mentorstream_local.demo.data import PoisonRecord

pytestmark = pytest.mark.fault("F7")
# A few of everything for who reads all topics: at twenty in one process it would rightly stop.
_ELSEWHERE = {
    "matches": ("wrong schema", "too large"),
    "meetings": ("not UTF-8", "future version"),
    "people": ("key of another",),
    "feedback": ("half a document",),
}
_ERASED_AT = {
    "notifications.person WHERE true": 0,
    "notifications.erased_person WHERE true": 1,
    "feedback.person WHERE erased": 1,
}


async def inject(system: FaultSystem, records: Iterable[PoisonRecord], *, expected: bool = True) -> int:
    """Publish records as they are; returns how many. `expected` ones must be dead letters in every later check."""
    sent = 0
    # Ten times the broker's limit: it is the broker that is to judge.
    async with AIOKafkaProducer(
        bootstrap_servers=system.wiring.servers.kafka_bootstrap, max_request_size=10 * 1024 * 1024
    ) as producer:
        for record in records:
            topic = system.wiring.topic_prefix + record.topic
            await producer.send_and_wait(topic, record.value, key=record.key, headers=list(record.headers))
            if expected:
                system.poison.append(record)
            sent += 1
    return sent


async def test_poison_of_each_kind_under_load_becomes_exactly_the_dead_letters(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    for _ in range(effort.rounds(1, 5)):
        load = run.load(people=effort.size(90, 300))
        async with run.sending(load):
            await run.until_accepted(load, share=0.3)
            async with run.connection() as connection:
                program = await connection.fetchval(
                    "SELECT program_id FROM intake.program WHERE reference LIKE $1 ORDER BY random() LIMIT 1",
                    f"{load.name}-%",
                )
                somebody = await connection.fetchval("SELECT person_id FROM intake.person ORDER BY random() LIMIT 1")
            await inject(system, poison("registrations", str(program)))
            for topic, kinds in _ELSEWHERE.items():
                await inject(system, poison(topic, str(somebody if topic == "people" else program), kinds))
        await run.drain()
        await run.live(days=3)
    await run.check()
    record(kinds=len(KINDS), poison=len(system.poison))


async def test_a_null_value_on_people_is_an_erasure(system: FaultSystem, run: Run) -> None:
    """By any Kafka tool: without headers, from nobody."""
    load = run.load(people=30)
    await run.send(load)
    await run.drain()
    async with run.connection() as connection:
        row = await connection.fetchrow(
            "SELECT p.person_id, p.reference, o.name FROM intake.person p JOIN intake.organisation o"
            " USING (organisation_id) JOIN intake.participant m USING (person_id)"
            " WHERE m.active AND p.reference LIKE $1 LIMIT 1",
            f"{load.name}-%",
        )
        assert row is not None
        erased: UUID = row["person_id"]
        async with AIOKafkaProducer(bootstrap_servers=system.wiring.servers.kafka_bootstrap) as producer:
            await producer.send_and_wait(f"{system.wiring.topic_prefix}people", None, key=str(erased).encode())
        # The owner's word comes after it and must not bring the person back.
        told = Item("configure", f"{load.name}-back", "mentorstream.person.update.v1")
        data = {"person": person(row["reference"], "Back Again")}
        await run.driver.deliver(cloud_event(row["name"], told, data))
        del system.names[row["name"], row["reference"]]
        await run.drain()
        await run.live(days=10)
        for place, count in _ERASED_AT.items():
            assert await connection.fetchval(f"SELECT count(*) FROM {place} AND person_id = $1", erased) == count, place
        mails = await connection.fetch(
            "SELECT DISTINCT status, status_reason FROM notifications.notification WHERE person_id = $1"
            " AND status NOT IN ('sent', 'superseded')",
            erased,
        )
        assert {tuple(mail) for mail in mails} <= {("failed", "erased")}
    await run.check()


async def test_what_a_fault_of_the_code_put_aside_is_redriven_once_it_is_mended(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    """One record kills whoever decides over it, another one raises; both were accepted with 202."""
    load = run.load(people=effort.size(60, 200))
    matching = system.services["matching"]
    matching.point = ""
    matching.variables[RECORD_VARIABLE] = "kill:killing industry,raise:raising industry"
    await run.offline(matching.restart)
    deaths = 0
    async with run.sending(load):
        await run.until_accepted(load, share=0.5)
        programs = [request for request in load.programs if request.organisation == "alder"]
        for name, industry in (("kills", "killing industry"), ("raises", "raising industry")):
            program = programs[0].items[0].program
            await run.driver.deliver(registration(program, f"{load.name}-{name}", industry=industry))
        while (await _faults_of_ours(run))["killed_process"] == 0:
            if matching.process() is None:
                deaths += 1
                assert deaths < 10, "it dies again and again"
                # It may be dead again before it is ready.
                await asyncio.gather(run.offline(matching.start), return_exceptions=True)
            await asyncio.sleep(0.1)
    await run.drain()
    assert await _faults_of_ours(run) == {"killed_process": 1, "failed": 1}
    assert deaths >= 3
    # What a newer version is: the same without the fault.
    matching.point = None
    del matching.variables[RECORD_VARIABLE]
    await run.offline(matching.restart)
    async with run.connection() as connection:
        letters = await connection.fetch(
            "SELECT id FROM matching.dead_letter WHERE reason IN ('killed_process', 'failed') ORDER BY record_offset"
        )
    for letter in letters:
        await _redrive(system, "matching", letter["id"])
    await run.drain()
    async with run.connection() as connection:
        decided = await connection.fetchval(
            "SELECT count(*) FROM matching.participant JOIN intake.participant m USING (participant_id)"
            " JOIN intake.person p ON p.person_id = m.person_id WHERE p.reference IN ($1, $2)",
            f"{load.name}-kills",
            f"{load.name}-raises",
        )
        assert decided == 2
        # Redriven ones stay as rows until they expire; the checks know of poison only.
        gone = await connection.fetchval(
            "WITH gone AS (DELETE FROM matching.dead_letter WHERE redriven_at IS NOT NULL RETURNING 1)"
            " SELECT count(*) FROM gone"
        )
        assert gone == 2
    await run.live(days=3)
    # A replay with the mended code would decide both where they came first, and others otherwise after them; in later
    # tests on this system, too.
    system.is_used_up, run.checked_replays = run.checked_replays, False
    await run.check()
    record(deaths=deaths, redriven=2)


async def test_beyond_the_ratio_the_consumer_stops_and_says_so(system: FaultSystem, run: Run, record: Record) -> None:
    # A process that has read nothing yet: the share is that of what it read lately. The mails' reads all topics.
    scheduling, notifications = system.services["scheduling"], system.services["notifications"]
    notifications.variables["MENTORSTREAM_DEAD_LETTER_MINIMUM"] = "10000"
    system.resends += 1
    for service in (scheduling, notifications):
        await run.offline(service.restart)
    records = list(poison("matches", str(uuid4()), [kind for kind in KINDS if kind != "too large"])) * 2
    await inject(system, records)

    def said(name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in scheduling.log_path.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    halted = await run.until(lambda: bool(said("consumer_halted")), "scheduling halts")
    line = said("consumer_halted")[-1]
    assert (line["reason"], line["runbook"]) == ("dead_letter_ratio", "docs/operations/dead-letters.md")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{scheduling.metrics_url}/health/ready") as ready:
            assert ready.status == 503
            assert "dead-letters.md" in await ready.text()
        async with http.get(f"{scheduling.metrics_url}/metrics") as metrics:
            assert 'mentorstream_consumer_halted{reason="dead_letter_ratio"} 1.0' in await metrics.text()
    # The runbook: mend the cause, start again. It goes on where it stopped.
    load = run.load(people=30)
    await run.send(load)
    await run.offline(scheduling.restart)
    await run.drain()
    await run.live(days=3)
    await run.check()
    record(halted_after_seconds=halted, dead_letters=len(records))


async def _faults_of_ours(run: Run) -> Counter[str]:
    """Dead letters of matching that are no poison, by reason."""
    async with run.connection() as connection:
        rows = await connection.fetch(
            "SELECT reason FROM matching.dead_letter WHERE reason IN ('killed_process', 'failed')"
        )
    return Counter(row["reason"] for row in rows)


async def _redrive(system: FaultSystem, service: str, letter_id: UUID) -> None:
    """What the runbook says, on the command line."""
    wiring = system.wiring
    url = role_url(wiring.servers.postgres_admin_url, DATABASE, worker_role(service), wiring.role_secret)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("mentorstream")),
        *("deadletters", "redrive", service, str(letter_id)),
        *("--database-url", url, "--bootstrap", wiring.servers.kafka_bootstrap, "--prefix", wiring.topic_prefix),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
