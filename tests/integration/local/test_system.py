"""The whole system comes up with what it stands on, and nothing of it stays when a part fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mentorstream_local.daemons import StartError
from mentorstream_local.services import ServiceProcess
from mentorstream_local.stack import Stack
from mentorstream_local.system import LocalSystem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.serial
def test_a_service_that_fails_takes_down_what_was_started_for_it(tmp_path: Path) -> None:
    said: list[str] = []
    system = LocalSystem(Stack(tmp_path, own_servers=True, progress=said.append), progress=said.append)
    system.services["broken"] = ServiceProcess("no_such_service", tmp_path / "services" / "broken", name="broken")
    try:
        with pytest.raises(StartError, match="No module named no_such_service"):
            system.up(["broken"])
        assert {part.state for part in system.status()} == {"stopped"}
    finally:
        system.down()
    # Everything before it had come up: servers, database, topics and the mail sink.
    assert {line.split(":")[0] for line in said} >= {"kafka", "postgres", "migrations", "topics", "mail"}
