"""F16: two versions of a service side by side, then the new one alone, then back to the old one.

The next version is made here, of the present one: a field more in an event and a column more in its table, which is
what a version may change without a new type. It meets readers of both versions.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import mentorstream_events
from mentorstream_local.records import read_records

if TYPE_CHECKING:
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

_FIELD: Final = "of_the_next_version"
_MODEL: Final = "class MatchConfirmed(Value, frozen=True, kw_only=True):"
_LAST_FIELD: Final = "    ends_at: Timestamp\n"


@pytest.mark.fault("F16")
async def test_old_and_new_side_by_side_and_back(
    system: FaultSystem, run: Run, record: Record, effort: Effort, tmp_path: Path
) -> None:
    people = effort.size(36, 300)
    before = await _confirmed(system)
    following = _next_version(tmp_path)
    old, reader = system.services["matching"], system.services["scheduling"]
    async with run.connection() as connection:
        # Migrations come first, while the old version works, and they add.
        added = f"ALTER TABLE matching.match ADD COLUMN IF NOT EXISTS {_FIELD} text NOT NULL DEFAULT 'new'"
        load = run.load(people=people)
        async with run.sending(load):
            await run.until_accepted(load, share=0.2)
            await connection.execute(added)
            new = await run.offline(system.add_worker, "matching", sources=(following,))
            await run.offline(system.add_worker, "scheduling", sources=(following,))
    await run.drain()
    await run.live(days=2)

    together = await _confirmed(system)
    async with run.sending(run.load(people=people)):
        await run.offline(old.stop)  # the new one alone
        reader.sources = (following,)
        await run.offline(reader.restart)
    await _until_quiet(run, system)
    alone = await _confirmed(system)
    async with run.sending(run.load(people=people)):
        reader.sources = ()
        await run.offline(old.start)
        await run.offline(system.remove, new.name)
        await run.offline(system.remove, "scheduling-2")
        await run.offline(reader.restart)
    await run.drain()
    await run.live(days=2)
    await run.check()

    after = await _confirmed(system)
    assert alone[True] > together[True], "the new version alone confirmed nothing"
    assert after[False] > alone[False], "the old version, back again, confirmed nothing"
    record(confirmed_by_new=after[True] - before[True], confirmed_by_old=after[False] - before[False])


async def _until_quiet(run: Run, system: FaultSystem) -> None:
    """Drain while the old process of matching is down: the one that stands by it is asked in its place."""
    down = system.services.pop("matching")
    try:
        await run.drain()
    finally:
        system.services["matching"] = down


def _next_version(directory: Path) -> Path:
    """Sources of the contracts as the next version has them."""
    package = Path(mentorstream_events.__file__).parent
    shutil.copytree(package, directory / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    model = directory / package.name / "matches.py"
    head, found, tail = model.read_text().partition(_MODEL)
    assert found
    tail = tail.replace(_LAST_FIELD, f'{_LAST_FIELD}    {_FIELD}: str = "new"\n', 1)
    model.write_text(head + found + tail)
    return directory


async def _confirmed(system: FaultSystem) -> dict[bool, int]:
    """How many matches were confirmed, by whether the new version did it."""
    wiring = system.wiring
    records = await read_records(wiring.servers.kafka_bootstrap, wiring.topic_prefix, "matches")
    counted = {True: 0, False: 0}
    for found in records:
        if found.event is not None and found.event.type == "mentorstream.match.confirmed.v1":
            counted[_FIELD in json.loads(found.value or b"{}")] += 1
    return counted
