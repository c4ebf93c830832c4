"""`mentorstream restore` and `mentorstream republish`: what operators do after a database or a broker went back.

Both run the service's own code in a process of its own, one service after the other, and say how many facts there were.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Literal

import typer

from mentorstream_local.migrations import SERVICES_WITH_DATABASE
from mentorstream_local.services import Wiring, service_environment
from mentorstream_local.system import DATABASE, LocalSystem
from mentorstream_local.terminal import ExitCode, StackName, messages, progress, running_stack

Chosen = Annotated[
    str, typer.Argument(help="intake, matching, scheduling, feedback, notifications, or all of them, in this order.")
]
DatabaseName = Annotated[str, typer.Option(envvar="MENTORSTREAM_DATABASE", help="Database name.")]


def register(index: typer.Typer) -> None:
    """Add the commands to the index."""
    index.command()(restore)
    index.command()(republish)


def restore(service: Chosen = "all", stack: StackName = "default", database: DatabaseName = DATABASE) -> None:
    """After a database was restored: take over what the services published since. They must be stopped.

    Running it again changes nothing. See docs/operations/restore.md.
    """
    recover("restore", service, LocalSystem(running_stack(stack), database=database).wiring())


def republish(service: Chosen = "all", stack: StackName = "default", database: DatabaseName = DATABASE) -> None:
    """After the broker was replaced: publish what the databases hold. The services must be stopped.

    Running it again changes nothing. See docs/operations/broker-replaced.md.
    """
    recover("republish", service, LocalSystem(running_stack(stack), database=database).wiring())


def recover(mode: Literal["restore", "republish"], service: str, wiring: Wiring) -> None:
    """For one service or "all". Raises typer.Exit after one that failed, typer.BadParameter for an unknown one."""
    if service not in (*SERVICES_WITH_DATABASE, "all"):
        raise typer.BadParameter(f"{service} is none of {', '.join(SERVICES_WITH_DATABASE)}, all")
    for each in SERVICES_WITH_DATABASE if service == "all" else (service,):
        environment = service_environment(each, wiring, http_port=0, metrics_port=0)
        outcome = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-P", "-m", each, mode], env=environment, check=False
        )
        if outcome.returncode != 0:
            messages.print(f"{each}: the {mode} ended with exit code {outcome.returncode}; it may be run again")
            raise typer.Exit(ExitCode.FAILED)
        progress(f"{each}: done")
