"""Pulse on real topics: figures, rebuild, repeats, garbage, and nothing left behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import httpx
import msgspec
from prometheus_client import REGISTRY
from tests.support.records import T0, event, eventually, publish, publish_raw

from mentorstream_events import Value
from mentorstream_events.examples import examples_for
from mentorstream_events.feedback import FeedbackRequested, FeedbackSubmitted
from mentorstream_events.matches import MatchConfirmed
from mentorstream_events.registrations import ParticipantRegistered
from pulse.bootstrap import PulseProcess

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from mentorstream_local.stack import Servers
    from pulse.settings import PulseSettings

    from .conftest import RunPulse

ValueT = TypeVar("ValueT", bound=Value)
_REPEATED = "mentorstream_records_total", {"outcome": "repeated", "topic": "feedback"}
_UNKNOWN = "mentorstream_pulse_undecodable_total", {"reason": "unknown_type", "topic": "meetings"}
EXAMPLES = [example.event for example in examples_for("pulse")]


async def test_examples_become_figures_and_a_restart_rebuilds_them(
    servers: Servers, topic_prefix: str, run_pulse: RunPulse
) -> None:
    await publish(servers.kafka_bootstrap, topic_prefix, EXAMPLES)
    async with run_pulse() as pulse:
        before = await pulse.figures()
        assert (await pulse.quiescence())["processed"] == len(EXAMPLES)
    async with run_pulse() as pulse:
        after = await pulse.figures()

    assert after == before
    total = before["total"]
    assert total["time_to_match"]["samples"] > 0
    assert total["match_to_meeting"]["samples"] == 1
    assert total["feedback"]["requested"] == 2
    assert total["feedback"]["share"] == 0.5
    assert (total["notifications_sent"], total["notifications_failed"]) == (1, 1)
    assert before["programs"][0]["figures"] == total
    assert sum(rate for types in total["events_per_minute"].values() for rate in types.values()) > 0


async def test_figures_follow_the_topics_while_it_runs(
    servers: Servers, topic_prefix: str, run_pulse: RunPulse
) -> None:
    registered = _example(ParticipantRegistered)
    confirmed = _example(MatchConfirmed)
    mentee_id = confirmed.mentees[0].participant_id
    joined = msgspec.structs.replace(registered, participant_id=mentee_id, roles=("mentee",))
    async with run_pulse() as pulse:
        assert (await pulse.figures())["programs"] == []
        await publish(servers.kafka_bootstrap, topic_prefix, [event(joined, time=T0)])
        figures = await pulse.figures()
        assert figures["total"]["waiting"] == 1
        assert figures["as_of"] == "2026-03-09T08:00:00Z"

        await publish(
            servers.kafka_bootstrap, topic_prefix, [event(confirmed, time=T0 + timedelta(hours=6, minutes=30))]
        )
        figures = await pulse.figures(program=str(joined.program_id))
        assert figures["total"]["waiting"] == 0
        assert figures["total"]["time_to_match"] == {
            "samples": 1,
            "mean_hours": 6.5,
            "p50_hours": 6.5,
            "p90_hours": 6.5,
        }
        text = await pulse.metrics()
        program = f'program="{joined.program_id}"'
        assert (
            f'mentorstream_pulse_program_duration_seconds{{measure="time_to_match",{program},statistic="p50"}}' in text
        )
        assert f"mentorstream_pulse_program_waiting{{{program}}} 0.0" in text
        unknown = await pulse.client.get(pulse.process.http_url + "/v1/pulse", params={"program": str(uuid4())})
        assert unknown.status_code == 404
        assert unknown.headers["content-type"] == "application/problem+json"
        document = (await pulse.client.get(pulse.process.http_url + "/openapi.json")).json()
        assert "/v1/pulse" in document["paths"]


async def test_garbage_does_not_stop_it_and_repeats_do_not_count(
    servers: Servers, topic_prefix: str, run_pulse: RunPulse
) -> None:
    requests = [msgspec.structs.replace(_example(FeedbackRequested), request_id=uuid4()) for _ in range(4)]
    answer = msgspec.structs.replace(_example(FeedbackSubmitted), request_id=requests[0].request_id)
    events = [
        *(event(request, time=T0, number=number) for number, request in enumerate(requests, 1)),
        event(answer, time=T0 + timedelta(hours=3), number=5),
    ]
    topics = ("registrations", "matches", "meetings", "feedback", "notifications")
    # Counters are this Python process's, so other tests of it count there, too.
    repeated, unknown = _counted(_REPEATED), _counted(_UNKNOWN)
    async with run_pulse() as pulse:
        for topic in topics:
            for key, value in ((None, b"\xff\xfe{"), (b"x", None), (b"\xff", b"[]")):
                await publish_raw(
                    servers.kafka_bootstrap, topic_prefix, topic, key=key, value=value, headers=[("ce_type", b"\xff")]
                )
        await publish(servers.kafka_bootstrap, topic_prefix, events)
        await publish(servers.kafka_bootstrap, topic_prefix, events)
        figures = await pulse.figures()
        assert (await pulse.quiescence())["processed"] == 15 + 10
        assert not pulse.process.failed.is_set()

    feedback = figures["total"]["feedback"]
    assert (feedback["requested"], feedback["submitted"], feedback["share"]) == (4, 1, 0.25)
    assert feedback["time_to_answer"]["p50_hours"] == 3.0
    assert _counted(_REPEATED) - repeated == 5
    assert _counted(_UNKNOWN) - unknown == 3


def _counted(counter: tuple[str, dict[str, str]]) -> float:
    return REGISTRY.get_sample_value(*counter) or 0.0


async def test_it_leaves_nothing_on_the_broker(
    servers: Servers, topic_prefix: str, run_pulse: RunPulse, broker_admin: AIOKafkaAdminClient
) -> None:
    await publish(servers.kafka_bootstrap, topic_prefix, EXAMPLES)
    topics = {name for name in await broker_admin.list_topics() if name.startswith(topic_prefix)}
    async with run_pulse() as pulse:
        await pulse.figures()
        groups = await _groups(broker_admin, topic_prefix)
        assert len(groups) == 1

    assert {name for name in await broker_admin.list_topics() if name.startswith(topic_prefix)} == topics
    assert await _groups(broker_admin, topic_prefix) == []


async def _groups(admin: AIOKafkaAdminClient, prefix: str) -> list[str]:
    return [group for group, _ in await admin.list_consumer_groups() if group.startswith(prefix)]


async def test_it_is_alive_but_not_ready_while_the_broker_is_away(pulse_settings: PulseSettings) -> None:
    process = PulseProcess(pulse_settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"}))
    starting = asyncio.create_task(process.__aenter__())
    async with httpx.AsyncClient(timeout=20) as client:

        async def is_live() -> bool:
            if not process.metrics_url:
                return False
            return (await client.get(process.metrics_url + "/health/live")).status_code == 200

        await eventually(is_live, what="health answers while the broker is away")
        ready = await client.get(process.metrics_url + "/health/ready")
        assert ready.status_code == 503
        assert set(ready.json()["problems"]) == {"broker", "process", "reader"}
        assert (await client.get(process.metrics_url + "/quiescence")).status_code == 503
        assert (await client.get(process.metrics_url + "/metrics")).status_code == 200
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert not process.failed.is_set()


def _example(kind: type[ValueT]) -> ValueT:
    return next(each.data for each in EXAMPLES if isinstance(each.data, kind))


async def test_a_stream_that_gave_up_fails_the_process(run_pulse: RunPulse) -> None:
    async with run_pulse() as pulse:
        await pulse.figures()
        assert pulse.process.stream is not None
        # What Faust does to itself when one of its parts ends in an error.
        await pulse.process.stream.app.crash(ValueError("lost"))
        await asyncio.wait_for(pulse.process.failed.wait(), timeout=30)
        live = await pulse.client.get(pulse.process.metrics_url + "/health/live")
        assert live.status_code == 503
