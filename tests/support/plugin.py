"""Fixtures for tests that need Kafka, PostgreSQL or an SMTP server: real ones, never imitations.

`servers`, `database`, `topic_prefix` use the session's shared servers; `private_stack` and what hangs on it give one
test servers of its own, to kill and to freeze. The imports of the clients happen in the fixtures, so that a run of
unit tests does not pay for them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiokafka.admin import AIOKafkaAdminClient
    from tests.support.shared_servers import Database, SharedServers

    from mentorstream_local.smtp_sink import SmtpSink
    from mentorstream_local.stack import Servers, Stack

_HOME = pytest.StashKey[tuple[Path, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Agree on the session's directory: the controller makes it, xdist's workers are told."""
    told = getattr(config, "workerinput", None)
    if told is None:
        config.stash[_HOME] = (Path(tempfile.mkdtemp(prefix="mentorstream-tests-")), os.getpid())
    else:
        config.stash[_HOME] = (Path(told["mentorstream_home"]), told["mentorstream_owner"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of xdist where the session's directory is."""
    home, owner = node.config.stash[_HOME]  # type: ignore[attr-defined]
    node.workerinput |= {"mentorstream_home": str(home), "mentorstream_owner": owner}  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with servers of its own is serial, whether or not its author thought of saying so."""
    for item in items:
        if "private_stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.serial)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the shared servers: at the end, after a failure, and after Ctrl-C."""
    if hasattr(config, "workerinput") or _HOME not in config.stash:
        return
    home, _ = config.stash[_HOME]
    if (home / "stack-directory").exists():
        _shared_servers(config).close()
    shutil.rmtree(home)


def _shared_servers(config: pytest.Config) -> SharedServers:
    from tests.support.shared_servers import SharedServers

    return SharedServers(*config.stash[_HOME])


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Where the session's Kafka and PostgreSQL are."""
    return _shared_servers(pytestconfig).servers()


@pytest.fixture
def database(pytestconfig: pytest.Config, servers: Servers) -> Iterator[Database]:
    """A migrated database for this test alone."""
    from tests.support.shared_servers import copied_database

    template = _shared_servers(pytestconfig).template()
    with copied_database(servers.postgres_admin_url, template) as copy:
        yield copy


@pytest.fixture
def topic_partitions() -> int:
    """How many partitions the topics of a test get; override it, or parametrise it directly."""
    return 4


@pytest.fixture
def topic_prefix(servers: Servers, topic_partitions: int) -> Iterator[str]:
    """All declared topics, empty, under this prefix."""
    from tests.support.shared_servers import prefixed_topics

    with prefixed_topics(servers.kafka_bootstrap, topic_partitions) as prefix:
        yield prefix


@pytest.fixture
async def broker_admin(servers: Servers) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client of the shared broker."""
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
def private_stack() -> Iterator[Stack]:
    """Servers of this test's own: `.broker` and `.postgres` may be killed, frozen, thawed and restarted."""
    from mentorstream_local.stack import ephemeral_stack

    with ephemeral_stack(own_servers=True) as stack:
        yield stack


@pytest.fixture
def private_database(private_stack: Stack) -> Iterator[Database]:
    """A migrated database on the private server."""
    from tests.support.shared_servers import migrated_database

    with migrated_database(private_stack.servers.postgres_admin_url) as made:
        yield made


@pytest.fixture
def private_topic_prefix(private_stack: Stack, topic_partitions: int) -> str:
    """All declared topics on the private broker. Not deleted: a test may have left the broker dead."""
    from mentorstream_local.topics import create_topics

    create_topics(private_stack.servers.kafka_bootstrap, "private.", partitions=topic_partitions)
    return "private."


@pytest.fixture
def smtp_sink(tmp_path: Path) -> Iterator[SmtpSink]:
    """An SMTP server in this process that keeps what it gets."""
    from mentorstream_local.smtp_sink import SmtpSink

    with SmtpSink(tmp_path / "mails") as sink:
        yield sink
