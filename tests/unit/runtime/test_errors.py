"""Which errors wait, which decide again, which are the record's: one table, held case by case."""

from __future__ import annotations

import socket

import asyncpg
import pytest
from aiokafka import errors as kafka

from mentorstream_runtime.errors import Fenced, Rejected, is_conflict, is_contention, is_infrastructure

INFRASTRUCTURE = [
    *(
        asyncpg.PostgresError.new({"C": code})
        for code in (
            "08006",  # connection failure
            "25006",  # a standby
            "25P03",  # idle in transaction
            "25P04",  # transaction time-out
            "28P01",  # password changed
            "3D000",  # database is being restored
            "3F000",  # schema not there yet
            "42P01",  # table not there yet
            "42501",  # grant not there yet
            "42703",  # column not there yet
            "53300",  # too many connections
            "53100",  # disk full
            "57P01",  # shutdown
            "57P03",  # starting up
            "58030",  # I/O
            "XX001",  # damaged data
        )
    ),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    ConnectionRefusedError(),
    ConnectionResetError(),
    socket.gaierror(),
    TimeoutError(),
    kafka.KafkaConnectionError(),
    kafka.NodeNotReadyError(),
    kafka.RequestTimedOutError(),
    kafka.NotLeaderForPartitionError(),
    kafka.LeaderNotAvailableError(),
    kafka.ProducerClosed(),
    kafka.OutOfOrderSequenceNumber(),
]
CONTENTION = [asyncpg.PostgresError.new({"C": code}) for code in ("0A000", "40001", "40P01", "55P03")]
VIOLATIONS = [asyncpg.PostgresError.new({"C": code}) for code in ("23505", "23503", "23514", "23P01", "23502")]
OF_THE_RECORD = [
    *(asyncpg.PostgresError.new({"C": code}) for code in ("22003", "22021", "22P02", "42601", "54000")),
    asyncpg.DataError("invalid input for query argument $1"),
    IsADirectoryError("zoneinfo/America"),
    NotADirectoryError(),
    ValueError(),
    KeyError(),
    Rejected("reason", "detail"),
    Fenced(),
    kafka.MessageSizeTooLargeError(),
    kafka.TopicAuthorizationFailedError(),
]


def name(error: BaseException) -> str:
    return f"{type(error).__name__}-{getattr(error, 'sqlstate', '')}"


@pytest.mark.parametrize("error", INFRASTRUCTURE, ids=name)
def test_what_is_away_is_waited_for(error: BaseException) -> None:
    assert is_infrastructure(error)
    assert not is_conflict(error)


@pytest.mark.parametrize("error", CONTENTION, ids=name)
def test_contention_is_decided_again_and_never_a_records_fault(error: BaseException) -> None:
    assert is_contention(error)
    assert is_conflict(error)
    assert not is_infrastructure(error)


@pytest.mark.parametrize("error", VIOLATIONS, ids=name)
def test_violations_are_decided_again_but_may_be_the_records_fault(error: BaseException) -> None:
    assert is_conflict(error)
    assert not is_contention(error)
    assert not is_infrastructure(error)


@pytest.mark.parametrize("error", OF_THE_RECORD, ids=name)
def test_the_rest_is_a_fault_of_the_record_or_the_code(error: BaseException) -> None:
    assert not is_infrastructure(error)
    assert not is_conflict(error)
