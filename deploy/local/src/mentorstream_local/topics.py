"""Kafka topics as `mentorstream_events.topics` declares them: created where missing, compared where they exist.

It never changes an existing topic. Another number of partitions would move programs between partitions and break
their order, so a difference is an error that says so, not something to be mended in passing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from mentorstream_events.topics import TOPICS, Topic
from mentorstream_local.loops import run_apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

_T = TypeVar("_T")
_PROPAGATION_SECONDS = 10.0
_IN_SYNC = "min.insync.replicas"


@dataclass(frozen=True)
class TopicState:
    """A declared topic (`name` with its prefix) beside what the broker has. `problems` is empty when they agree."""

    name: str
    partitions_wanted: int
    partitions: int | None
    problems: tuple[str, ...]


class TopicsError(RuntimeError):
    """Topics are missing or are not as declared. The message has a line for each difference."""


def create_topics(
    bootstrap: str,
    prefix: str = "",
    *,
    topics: Sequence[Topic] = TOPICS,
    partitions: int | None = None,
    replication_factor: int = 1,
) -> list[str]:
    """Create the missing topics, then check all; returns the names created.

    `partitions` replaces every declared count, for tests. Raises `TopicsError` when an existing one differs, or has
    fewer copies than `replication_factor`.
    """
    return run_apart(_create(bootstrap, prefix, topics, partitions, replication_factor))


def check_topics(
    bootstrap: str, prefix: str = "", *, topics: Sequence[Topic] = TOPICS, replication_factor: int = 1
) -> list[TopicState]:
    """Every declared topic beside the broker's; raises nothing over differences."""
    return run_apart(_with_admin(bootstrap, lambda admin: _states(admin, prefix, topics, None, replication_factor)))


def minimum_in_sync(replication_factor: int) -> int:
    """How many copies must have a record before it counts as published: all but one, so that one broker may be away."""
    return max(1, replication_factor - 1)


def delete_topics(bootstrap: str, prefix: str, *, topics: Sequence[Topic] = TOPICS) -> None:
    """Delete them, with what they hold. For tests; asks for a prefix so that it cannot hit the real ones."""
    if not prefix:
        raise ValueError("refusing to delete topics without a prefix")
    run_apart(_with_admin(bootstrap, lambda admin: admin.delete_topics([prefix + topic.name for topic in topics])))


async def _with_admin(bootstrap: str, work: Callable[[AIOKafkaAdminClient], Awaitable[_T]]) -> _T:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="mentorstream-topics")
    await admin.start()
    try:
        return await work(admin)
    finally:
        await admin.close()


async def _create(
    bootstrap: str, prefix: str, topics: Sequence[Topic], partitions: int | None, replication_factor: int
) -> list[str]:
    async def work(admin: AIOKafkaAdminClient) -> list[str]:
        existing = set(await admin.list_topics())
        wanted = [
            NewTopic(
                name=prefix + topic.name,
                num_partitions=partitions or topic.partitions,
                replication_factor=replication_factor,
                topic_configs={**topic.config, _IN_SYNC: str(minimum_in_sync(replication_factor))},
            )
            for topic in topics
            if prefix + topic.name not in existing
        ]
        if wanted:
            answer = await admin.create_topics(wanted)
            for name, code, *message in answer.topic_errors:
                error = for_code(code)
                # Another run may have been faster; whether it made the same is checked below.
                if code and error is not TopicAlreadyExistsError:
                    raise TopicsError(f"{name}: {error.__name__} {' '.join(str(part) for part in message)}")
        await _until_led(admin, prefix, topics)
        states = await _states(admin, prefix, topics, partitions, replication_factor)
        problems = [f"{state.name}: {problem}" for state in states for problem in state.problems]
        if problems:
            raise TopicsError("\n".join(problems))
        return [topic.name for topic in wanted]

    return await _with_admin(bootstrap, work)


async def _until_led(admin: AIOKafkaAdminClient, prefix: str, topics: Sequence[Topic]) -> None:
    """Wait until each partition has a leader: the answer to a creation comes before brokers know of it."""
    names = [prefix + topic.name for topic in topics]
    async with asyncio.timeout(_PROPAGATION_SECONDS):
        while True:
            described = await admin.describe_topics(names)
            if all(
                topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"])
                for topic in described
            ):
                return
            await asyncio.sleep(0.02)


async def _states(
    admin: AIOKafkaAdminClient, prefix: str, topics: Sequence[Topic], partitions: int | None, replication_factor: int
) -> list[TopicState]:
    # Asking for a topic by name would be an error where it is missing, so take the names that exist first.
    existing = set(await admin.list_topics()) & {prefix + topic.name for topic in topics}
    described = {t["topic"]: t for t in await admin.describe_topics(sorted(existing))} if existing else {}
    configs = await _configs(admin, sorted(existing)) if existing else {}
    states = []
    for topic in topics:
        name, wanted = prefix + topic.name, partitions or topic.partitions
        if name not in described:
            states.append(TopicState(name, wanted, None, ("missing",)))
            continue
        count = len(described[name]["partitions"])
        problems = [f"has {count} partitions, wanted {wanted}; that cannot be changed"] if count != wanted else []
        problems += [
            f"{key} is {configs[name].get(key)}, wanted {value}"
            for key, value in topic.config.items()
            if configs[name].get(key) != value
        ]
        # More than asked for does no harm.
        copies = min(len(part["replicas"]) for part in described[name]["partitions"])
        if copies < replication_factor:
            problems.append(f"has {copies} copies, wanted {replication_factor}")
        in_sync = int(configs[name].get(_IN_SYNC, "1"))
        if in_sync < minimum_in_sync(replication_factor):
            problems.append(f"{_IN_SYNC} is {in_sync}, wanted {minimum_in_sync(replication_factor)}")
        states.append(TopicState(name, wanted, count, tuple(problems)))
    return states


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
