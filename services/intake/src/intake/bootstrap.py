"""Intake: takes partners' events in, checks them at the door, publishes registrations and people."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import uuid_utils

from mentorstream_runtime.database import as_driver_id
from mentorstream_runtime.process import Parts, Runtime

from .adapters.postgres import AcceptedRequestsTimer, PostgresStore
from .adapters.reads import PostgresCredentials, PostgresReads
from .adapters.restoring import RecordsRestorer
from .entrypoints.http import Services, build_app
from .handlers.acceptance import Acceptor
from .handlers.authentication import Authenticator
from .handlers.credentials import Sealer
from .handlers.erasure import Eraser
from .settings import IntakeSettings


def build(runtime: Runtime[IntakeSettings]) -> Parts:
    """The only place where parts are put together."""
    settings = runtime.settings
    store = PostgresStore(runtime.pool, runtime, mint=_new_id)
    sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    services = Services(
        authenticator=Authenticator(PostgresCredentials(runtime.api_pool), sealer),
        acceptor=Acceptor(store, runtime.clock, pool_size=settings.worker_pool_size),
        eraser=Eraser(store, runtime.clock),
        reads=PostgresReads(runtime.api_pool),
    )
    return Parts(
        timers=[AcceptedRequestsTimer(runtime.pool, timedelta(days=settings.accepted_days))],
        api=build_app(settings, services),
        restorer=RecordsRestorer(runtime.clock),
    )


def _new_id() -> UUID:
    """Of version 7: ids made one after the other are near each other in their indexes."""
    return as_driver_id(uuid_utils.uuid7().bytes)
