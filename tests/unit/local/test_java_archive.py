"""The archive of Kafka's classes is made once for each command line, and doing without it is no failure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mentorstream_local.daemons import StartError
from mentorstream_local.java_archive import startup_archive

COMMAND = [sys.executable, "-XX:+UseSerialGC", "-cp", "kafka.jar"]


class Recorder:
    """Stands in for the broker that is started to be recorded."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.times = 0

    def __call__(self, directory: Path, archive: Path) -> None:
        assert directory.is_dir()
        self.times += 1
        if not self.works:
            raise StartError("no Java here")
        archive.write_bytes(b"classes")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENTORSTREAM_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_it_is_recorded_once_and_again_for_other_jars() -> None:
    record = Recorder()
    first = startup_archive(COMMAND, record)
    assert first is not None
    assert first.read_bytes() == b"classes"
    assert startup_archive(COMMAND, record) == first
    assert record.times == 1

    other = startup_archive([*COMMAND[:-1], "newer.jar"], record)
    assert other not in (None, first)
    assert record.times == 2
    assert startup_archive(COMMAND, record) == first  # of another environment on this machine, say
    assert record.times == 2


def test_old_ones_go(cache: Path) -> None:
    record = Recorder()
    made = [startup_archive([*COMMAND[:-1], f"{number}.jar"], record) for number in range(12)]
    kept = set((cache / "java").glob("kafka-*.aot"))
    assert len(kept) < len(made)
    assert made[-1] in kept


def test_where_recording_fails_it_is_done_without_and_not_tried_at_each_start() -> None:
    record = Recorder(works=False)
    assert startup_archive(COMMAND, record) is None
    assert startup_archive(COMMAND, record) is None
    assert record.times == 1
