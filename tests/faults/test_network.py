"""F6: the network between the services and their servers, cut and healed, stalled and healed, in mid-transaction."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import pytest
from tests.faults.system import Proxies

if TYPE_CHECKING:
    import asyncpg
    from tests.faults.outcomes import Effort, Record
    from tests.faults.proxy import TcpProxy
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

pytestmark = pytest.mark.fault("F6")
_BEHIND: Final = ("intake", "matching", "notifications")
_OPEN: Final = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE usename = 'mentorstream_matching_worker' AND xact_start IS NOT NULL AND backend_xid IS NOT NULL"
)


async def test_cut_and_stalled_and_healed(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
    broker, database = system.broker_proxy(), system.postgres_proxy()
    for name in _BEHIND:
        system.services[name].through = Proxies(broker, database)
    for name in _BEHIND:
        await run.offline(system.services[name].kill)
    await run.offline(system.start_all)
    system.resends += 1
    slowest, in_mid_transaction = 0.0, 0
    rounds = effort.rounds(1, 10)
    for _ in range(rounds):
        for proxy, stalled in ((database, False), (broker, False), (database, True), (broker, True)):
            load, rest = run.load(people=45), asyncio.Event()
            async with run.connection() as connection, run.sending(load, rest=rest):
                await run.until_accepted(load, share=run.random.uniform(0.1, 0.5))
                rest.set()
                in_mid_transaction += await _when_deciding(connection)
                system.resends += proxy is database  # a mail that went may not be noted as sent
                await run.offline(_break, proxy, stalled=stalled)
                await asyncio.sleep(effort.size(2, 8))  # how long it is broken is the fault itself
                healed = time.monotonic()
                await run.offline(proxy.heal)
            await run.drain()
            slowest = max(slowest, time.monotonic() - healed)
        await run.live(days=1)
    await run.check()
    assert in_mid_transaction, "no cut found a transaction open"
    record(rounds=rounds, in_mid_transaction=in_mid_transaction, slowest_drain_seconds=slowest)


def _break(proxy: TcpProxy, *, stalled: bool) -> None:
    proxy.stall() if stalled else proxy.cut()


async def _when_deciding(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Wait a little for a moment at which matching has a transaction open that wrote something; returns whether so."""
    for _ in range(400):
        if await connection.fetchval(_OPEN):
            return True
        await asyncio.sleep(0.002)
    return False
