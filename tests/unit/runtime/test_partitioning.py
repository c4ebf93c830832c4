"""Keys lie where every other client of Kafka looks for them."""

from __future__ import annotations

from uuid import UUID

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import example, given
from hypothesis import strategies as st

from mentorstream_runtime.partitioning import partition_of


@given(st.binary(max_size=80) | st.uuids().map(lambda value: str(value).encode()), st.integers(1, 500))
@example(b"", 12)
@example(str(UUID(int=2**128 - 1)).encode(), 12)
def test_the_partition_is_the_clients_own(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, every, every)
