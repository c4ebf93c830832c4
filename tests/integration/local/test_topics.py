"""Topics are created as declared, and a difference is told and never mended in passing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mentorstream_events.topics import TOPIC, TOPICS
from mentorstream_local.topics import TopicsError, check_topics, create_topics, delete_topics, minimum_in_sync

if TYPE_CHECKING:
    from mentorstream_local.stack import Servers


def test_creating_again_creates_nothing(servers: Servers, topic_prefix: str, topic_partitions: int) -> None:
    assert create_topics(servers.kafka_bootstrap, topic_prefix, partitions=topic_partitions) == []


def test_another_number_of_partitions_is_an_error_that_says_so(servers: Servers, topic_prefix: str) -> None:
    with pytest.raises(TopicsError, match="matches: has 4 partitions, wanted 12; that cannot be changed"):
        create_topics(servers.kafka_bootstrap, topic_prefix)


def test_another_setting_is_an_error_that_says_so(servers: Servers, topic_prefix: str, topic_partitions: int) -> None:
    changed = replace(TOPIC["matches"], config={"retention.ms": "1234"})
    with pytest.raises(TopicsError, match=r"retention.ms is \d+, wanted 1234"):
        create_topics(servers.kafka_bootstrap, topic_prefix, topics=[changed], partitions=topic_partitions)


def test_fewer_copies_than_wanted_are_told(servers: Servers, topic_prefix: str) -> None:
    states = check_topics(servers.kafka_bootstrap, topic_prefix, replication_factor=3)
    assert states[0].problems[-2:] == ("has 1 copies, wanted 3", "min.insync.replicas is 1, wanted 2")


@pytest.mark.parametrize(("copies", "in_sync"), [(1, 1), (2, 1), (3, 2)])
def test_one_broker_may_be_away(copies: int, in_sync: int) -> None:
    assert minimum_in_sync(copies) == in_sync


def test_more_copies_than_there_are_brokers_are_refused_by_the_broker(servers: Servers) -> None:
    with pytest.raises(TopicsError, match="InvalidReplicationFactor"):
        create_topics(servers.kafka_bootstrap, "copied.", replication_factor=3)


def test_check_tells_what_is_missing(servers: Servers) -> None:
    states = check_topics(servers.kafka_bootstrap, "nowhere.")
    assert [(state.name, state.problems) for state in states] == [
        (f"nowhere.{topic.name}", ("missing",)) for topic in TOPICS
    ]


def test_an_invalid_topic_is_told_by_the_broker(servers: Servers) -> None:
    with pytest.raises(TopicsError, match="InvalidTopic"):
        create_topics(servers.kafka_bootstrap, "no spaces allowed.")


def test_deleting_asks_for_a_prefix() -> None:
    with pytest.raises(ValueError, match="without a prefix"):
        delete_topics("127.0.0.1:1", "")
