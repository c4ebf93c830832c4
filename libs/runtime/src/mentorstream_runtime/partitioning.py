"""Which partition a key belongs to: Kafka's own rule, that of its Java client's default partitioner.

The client in Python has it too, and takes several times as long; where nearly every key is a new one, as on `people`,
that was more than all else that is done for a record. A test holds the two against each other.

Source: MurmurHash2 as `org.apache.kafka.common.utils.Utils.murmur2` has it.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Final

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `partitions` that this key belongs to."""
    return (_murmur2(key) & _POSITIVE) % partitions


def _murmur2(data: bytes) -> int:
    mixed = _SEED ^ len(data)
    words, rest = divmod(len(data), 4)
    for word in _words(words).unpack_from(data):
        part = word * _FACTOR & _MASK
        mixed = (mixed * _FACTOR ^ (part ^ part >> 24) * _FACTOR) & _MASK
    if rest:
        mixed = (mixed ^ int.from_bytes(data[-rest:], "little")) * _FACTOR & _MASK
    mixed = (mixed ^ mixed >> 13) * _FACTOR & _MASK
    return mixed ^ mixed >> 15


@cache
def _words(count: int) -> struct.Struct:
    """So many unsigned numbers of four bytes, the lowest byte first."""
    return struct.Struct(f"<{count}I")
