"""Mentorstream's contracts: the events, their topics and their envelope. Imports nothing of ours."""

from .catalog import BY_MODEL, BY_TYPE, CONTRACTS, Contract
from .envelope import (
    Event,
    SequenceNumber,
    Undecodable,
    contract_of,
    decode,
    derived_bytes,
    derived_id,
    derived_text,
    encode_data,
    encode_headers,
    has_control_character,
)
from .topics import TOPIC, TOPICS, Topic
from .values import Value

__all__ = [
    "BY_MODEL",
    "BY_TYPE",
    "CONTRACTS",
    "TOPIC",
    "TOPICS",
    "Contract",
    "Event",
    "SequenceNumber",
    "Topic",
    "Undecodable",
    "Value",
    "contract_of",
    "decode",
    "derived_bytes",
    "derived_id",
    "derived_text",
    "encode_data",
    "encode_headers",
    "has_control_character",
]
