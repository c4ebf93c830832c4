"""Matching: decides who is matched with whom, and why not."""

from __future__ import annotations

from pathlib import Path

from matching import metrics
from matching.adapters.choices import Choices
from matching.adapters.coordinated_rounds import CoordinatedRounds
from matching.adapters.coordination import Coordination
from matching.adapters.coordinator_keys import CoordinatorKeys
from matching.adapters.coordinator_requests import CoordinatorRequests
from matching.adapters.pool_copies import PoolCopies
from matching.adapters.postgres import StoredPools
from matching.adapters.requests import PROPOSAL_EXPIRY, ROUND, TERM_END, DueRequests, Proposals
from matching.adapters.restoring import PoolRestorer
from matching.adapters.rounds import StoredRounds
from matching.adapters.solver import Solver
from matching.domain import warming
from matching.entrypoints.choice_pages import ChoicePages
from matching.entrypoints.choices import Mentees
from matching.entrypoints.consumer import RegistrationsHandler
from matching.entrypoints.coordinators.api import CoordinatorApi
from matching.entrypoints.coordinators.audits import Audits
from matching.entrypoints.coordinators.desk import Asker, Desk, Look
from matching.entrypoints.coordinators.pages import CoordinatorPages
from matching.entrypoints.coordinators.review import Reviews
from matching.entrypoints.coordinators.site import HOME, CoordinatorSite
from matching.entrypoints.http import Mentors, build_api
from matching.entrypoints.pages import ProposalPages
from matching.settings import MatchingSettings
from mentorstream_runtime.database import load_queries
from mentorstream_runtime.process import Parts, Runtime
from mentorstream_runtime.sessions import Sessions

_PACKAGE_FILE = str(Path(__file__).with_name("__init__.py"))


def build(runtime: Runtime[MatchingSettings]) -> Parts:
    """Wire the service: the only place that knows which adapter serves which port."""
    warming.compile_now()
    queries = load_queries(_PACKAGE_FILE)
    settings = runtime.settings
    proposals = Proposals(runtime.pool, runtime.api_pool, queries, runtime.write)
    choices = Choices(runtime.pool, runtime.api_pool, queries, runtime.write)

    solver = Solver(
        runtime.pool,
        queries,
        runtime.write,
        runtime.wake,
        runtime.clock,
        instance=settings.instance,
        lease_seconds=settings.solver_lease_seconds,
    )

    def new_handler() -> RegistrationsHandler:
        pools = StoredPools(queries, StoredRounds(queries, solver.look))
        metrics.POOLS.holders.add(pools)
        return RegistrationsHandler(pools)

    copies = PoolCopies(runtime.pool, queries, limit_people=settings.look_limit_people)
    reads, look = Coordination(runtime.api_pool, queries), Look(copies)
    ask = Asker(runtime, CoordinatorRequests(runtime.pool, queries, runtime.write))
    desk = Desk(reads, look, ask)
    reviews = Reviews(reads, CoordinatedRounds(runtime.pool, runtime.api_pool, queries), look, ask)
    audits = Audits(reads, look)
    keys = CoordinatorKeys(runtime.api_pool, queries)
    sessions, logins = (
        Sessions(
            settings.link_secrets,
            cookie=f"mentorstream_{cookie}",
            path=HOME,
            secure=settings.matching_url.startswith("https:"),
            lasting_seconds=settings.login_seconds,
        )
        for cookie in ("coordinator", "coordinator_login")
    )
    site = CoordinatorSite(keys, sessions, logins, CoordinatorPages(_PACKAGE_FILE), desk, reviews, audits)
    api = CoordinatorApi(keys, desk, reviews, audits)
    return Parts(
        readers={"registrations": new_handler},
        timers=[
            DueRequests(kind, runtime.pool, queries, runtime.write, limit=settings.due_limit)
            for kind in (PROPOSAL_EXPIRY, TERM_END, ROUND)
        ]
        + [solver],
        api=build_api(
            settings,
            Mentors(runtime, proposals, ProposalPages(_PACKAGE_FILE)),
            Mentees(runtime, choices, ChoicePages(_PACKAGE_FILE)),
            api,
            site,
        ),
        restorer=PoolRestorer(queries),
        closing=[solver.close],
    )
