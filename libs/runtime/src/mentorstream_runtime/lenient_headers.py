"""Lets records be read whose header names are not UTF-8.

Kafka stores any bytes as a header's name; aiokafka decodes them strictly and raises in the middle of a fetch, so that
one such record would end every process that reads its partition, again and again. Here a batch that cannot be read
that way is read once more with names escaped: such a header is then one that nobody knows, as any other. `install` puts
this between aiokafka's fetcher and its parser; it changes nothing about batches that can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords as StrictRecords

_MAGIC_OFFSET: Final = 16
_LENGTH_OFFSET: Final = 8
_OVERHEAD: Final = 12
_FIRST_MAGIC_WITH_HEADERS: Final = 2


class _EscapingBytes(bytearray):
    """A buffer whose slices are decoded with what is not UTF-8 escaped, whatever is asked for."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _EscapingBytes(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class _Batch:
    """One batch: as it was parsed, and if that fails, from the failing record on, parsed with names escaped."""

    def __init__(self, strict: Any, raw: bytes, start: int, end: int) -> None:
        self._strict = strict
        self._raw, self._start, self._end = raw, start, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        last = -1
        try:
            for record in self._strict:
                last = record.offset
                yield record
        except UnicodeDecodeError:
            for record in _escaped(self._raw[self._start : self._end]):
                if record.offset > last:
                    yield record


class LenientRecords:
    """The records of one fetched partition, by batches. Has the interface of aiokafka's own class."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._place = 0
        self._strict = StrictRecords(raw)

    def size_in_bytes(self) -> int:
        """Bytes that were fetched."""
        return int(self._strict.size_in_bytes())

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return bool(self._strict.has_next())

    def next_batch(self) -> Any:
        """The next batch, None at the end. Raises what aiokafka raises for one that is damaged."""
        batch = self._strict.next_batch()
        if batch is None:
            return None
        start = self._place
        length = int.from_bytes(self._raw[start + _LENGTH_OFFSET : start + _OVERHEAD], "big")
        self._place = start + _OVERHEAD + length
        if self._raw[start + _MAGIC_OFFSET] < _FIRST_MAGIC_WITH_HEADERS:
            return batch
        return _Batch(batch, self._raw, start, self._place)


def install() -> None:
    """Have aiokafka's consumers in this process read so. Doing it again changes nothing."""
    fetcher.MemoryRecords = LenientRecords


def _escaped(raw: bytes) -> Iterator[Any]:
    batch: Any = _DefaultRecordBatchPy(raw)
    batch._maybe_uncompress()
    batch._buffer = _EscapingBytes(batch._buffer)
    return iter(batch)
