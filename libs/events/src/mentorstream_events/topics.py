"""The topics: who writes each, who reads it, what its key is, how long it is kept.

The key is the program id, so that one program has one partition and one order; only `people` is keyed by person id.
Partition counts are fixed at creation, because a change would move a program between partitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DAY_MS = 86_400_000
# Stamped by the broker: it refuses records of a producer whose own clock is an hour ahead, and retention goes by it.
_STAMPED = {"message.timestamp.type": "LogAppendTime"}
_STREAM = MappingProxyType({"cleanup.policy": "delete", "retention.ms": str(90 * DAY_MS), **_STAMPED})
_COMPACTED = MappingProxyType(
    {
        **_STAMPED,
        "cleanup.policy": "compact",
        "max.compaction.lag.ms": str(DAY_MS),
        "segment.ms": str(DAY_MS),
        "delete.retention.ms": str(7 * DAY_MS),
    }
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `producers` and `readers` are service names; `config` are Kafka topic settings.

    How many copies there are is a matter of the cluster, and chosen where topics are created.
    """

    name: str
    purpose: str
    key: str
    producers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int = 12
    config: Mapping[str, str] = field(default_factory=lambda: _STREAM)

    @property
    def compacted(self) -> bool:
        """Whether only the last record of each key is kept, so that gaps in sequences are no loss."""
        return self.config["cleanup.policy"] == "compact"


TOPICS: tuple[Topic, ...] = (
    Topic(
        "registrations",
        "What programs, participants, coordinators and clocks ask of matching.",
        "program_id",
        ("intake", "matching", "feedback"),
        ("matching", "notifications", "pulse"),
    ),
    Topic(
        "matches",
        "Who was proposed, matched, changed, parted, or has to wait.",
        "program_id",
        ("matching",),
        ("scheduling", "notifications", "pulse"),
    ),
    Topic(
        "meetings",
        "The series and meetings of confirmed matches.",
        "program_id",
        ("scheduling",),
        ("feedback", "notifications", "pulse"),
    ),
    Topic(
        "feedback",
        "What was asked and answered after meetings, and which matches are at risk.",
        "program_id",
        ("feedback",),
        ("notifications", "pulse"),
    ),
    Topic(
        "notifications",
        "What was carried to whom, or could not be.",
        "program_id",
        ("notifications",),
        ("pulse",),
    ),
    Topic(
        "people",
        "Names and addresses, the only personal data on the wire. A null value erases a person.",
        "person_id",
        ("intake",),
        ("feedback", "notifications"),
        config=_COMPACTED,
    ),
)
TOPIC: Mapping[str, Topic] = MappingProxyType({topic.name: topic for topic in TOPICS})
