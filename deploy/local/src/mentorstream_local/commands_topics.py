"""`mentorstream topics create|check|list`: the declared topics on a broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.table import Table

from mentorstream_local import topics
from mentorstream_local.terminal import (
    AsJson,
    ExitCode,
    StackName,
    console,
    plain_errors,
    print_json,
    progress,
    running_stack,
)
from mentorstream_local.topics import TopicsError, TopicState

app = typer.Typer(help="Create and check the topics.", no_args_is_help=True)

Bootstrap = Annotated[
    str | None,
    typer.Option(envvar="MENTORSTREAM_KAFKA_BOOTSTRAP", help="Kafka's address; the local stack's when left out."),
]
Copies = Annotated[
    int,
    typer.Option(
        min=1,
        envvar="MENTORSTREAM_REPLICATION_FACTOR",
        help="Copies of each topic, on as many brokers; all but one must have a record before it counts.",
    ),
]
Prefix = Annotated[str, typer.Option(envvar="MENTORSTREAM_TOPIC_PREFIX", help="Put before each topic's name.")]


@app.command()
def create(
    stack: StackName = "default",
    bootstrap: Bootstrap = None,
    prefix: Prefix = "",
    replication_factor: Copies = 1,
) -> None:
    """Create the missing topics and check the others."""
    with plain_errors(TopicsError, KafkaError, OSError):
        created = topics.create_topics(_address(bootstrap, stack), prefix, replication_factor=replication_factor)
    progress(f"created: {', '.join(created)}" if created else "all topics were there, as declared")


@app.command()
def check(
    stack: StackName = "default",
    bootstrap: Bootstrap = None,
    prefix: Prefix = "",
    replication_factor: Copies = 1,
    as_json: AsJson = False,
) -> None:
    """Compare the topics with their declaration. Exits with 1 when one is missing or differs."""
    states = _states(bootstrap, stack, prefix, replication_factor)
    _show(states, as_json=as_json)
    if any(state.problems for state in states):
        raise typer.Exit(ExitCode.FAILED)


@app.command(name="list")
def list_topics(
    stack: StackName = "default",
    bootstrap: Bootstrap = None,
    prefix: Prefix = "",
    replication_factor: Copies = 1,
    as_json: AsJson = False,
) -> None:
    """Show the declared topics, and what the broker has of them."""
    _show(_states(bootstrap, stack, prefix, replication_factor), as_json=as_json)


def _address(bootstrap: str | None, stack: str) -> str:
    return bootstrap or running_stack(stack).servers.kafka_bootstrap


def _states(bootstrap: str | None, stack: str, prefix: str, replication_factor: int) -> list[TopicState]:
    with plain_errors(KafkaError, OSError):
        return topics.check_topics(_address(bootstrap, stack), prefix, replication_factor=replication_factor)


def _show(states: list[TopicState], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(state) for state in states])
        return
    table = Table("topic", "partitions", "problems")
    for state in states:
        table.add_row(state.name, str(state.partitions or "-"), "; ".join(state.problems))
    console.print(table)
