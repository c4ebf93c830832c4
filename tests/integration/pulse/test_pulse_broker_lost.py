"""A broker that dies under pulse: it says so, and goes on where it was, or starts over, once the broker is back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from tests.support.records import T0, event, eventually, publish

from mentorstream_events.examples import examples_for
from mentorstream_events.notifications import NotificationSent
from pulse.bootstrap import PulseProcess
from pulse.settings import PulseSettings

if TYPE_CHECKING:
    from mentorstream_local.stack import Stack


async def test_it_survives_the_death_of_the_broker(
    private_stack: Stack, private_topic_prefix: str, pulse_settings: PulseSettings
) -> None:
    assert private_stack.broker is not None
    bootstrap = private_stack.servers.kafka_bootstrap
    sent = next(each.event.data for each in examples_for("pulse") if isinstance(each.event.data, NotificationSent))
    settings = pulse_settings.model_copy(
        update={"kafka_bootstrap": bootstrap, "topic_prefix": private_topic_prefix, "session_timeout_ms": 2000}
    )
    await publish(bootstrap, private_topic_prefix, [event(sent, time=T0) for _ in range(10)])
    async with PulseProcess(settings) as process, httpx.AsyncClient(timeout=20) as client:

        async def is_ready() -> bool:
            return (await client.get(process.metrics_url + "/health/ready")).status_code == 200

        async def is_unready() -> bool:
            return not await is_ready()

        async def has_counted_all() -> bool:
            return process.board.figures(process.now()).notifications_sent == 20

        await eventually(is_ready, what="pulse is ready")
        private_stack.broker.kill()
        await eventually(is_unready, what="pulse says that the broker is away")
        assert process.board.figures(process.now()).notifications_sent == 10
        private_stack.broker.restart()
        await publish(bootstrap, private_topic_prefix, [event(sent, time=T0) for _ in range(10)])
        await eventually(has_counted_all, what="pulse goes on", seconds=90)
        await eventually(is_ready, what="pulse is ready again", seconds=90)
        assert not process.failed.is_set()


async def test_it_ends_when_records_wait_and_none_is_read(
    private_stack: Stack, private_topic_prefix: str, pulse_settings: PulseSettings
) -> None:
    """As when Faust joined its group while the broker knew no topics yet."""
    bootstrap = private_stack.servers.kafka_bootstrap
    settings = pulse_settings.model_copy(
        update={"kafka_bootstrap": bootstrap, "topic_prefix": private_topic_prefix, "stalled_after_seconds": 1}
    )
    sent = next(each.event.data for each in examples_for("pulse") if isinstance(each.event.data, NotificationSent))
    async with PulseProcess(settings) as process, httpx.AsyncClient(timeout=20) as client:

        async def is_ready() -> bool:
            return (await client.get(process.metrics_url + "/health/ready")).status_code == 200

        async def has_counted_all() -> bool:
            return process.board.figures(process.now()).notifications_sent == 10

        await eventually(is_ready, what="pulse is ready")
        assert process.stream is not None
        await publish(bootstrap, private_topic_prefix, [event(sent, time=T0) for _ in range(10)])
        await eventually(has_counted_all, what="Faust hands records over")
        process.stream.app.consumer.stop_flow()
        await process.stream.app.on_partitions_assigned.send(set())
        assert not await is_ready()
        await publish(bootstrap, private_topic_prefix, [event(sent, time=T0) for _ in range(10)])
        await asyncio.wait_for(process.failed.wait(), timeout=60)
