"""What a try to send means for the mail, and how long to wait for the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.domain.delivery import (
    Accepted,
    Deferred,
    Outcome,
    Refused,
    RetryPolicy,
    Untried,
    Verdict,
    judge,
)

POLICY = RetryPolicy(attempts=3, base_seconds=30.0, limit_seconds=3600.0)


@pytest.mark.parametrize(
    ("outcome", "attempt", "verdict"),
    [
        (Accepted(250), 1, Verdict(status="sent", code=250)),
        (Accepted(250), 3, Verdict(status="sent", code=250)),
        (Refused(550), 1, Verdict(status="failed", code=550, failure="rejected")),
        (Deferred(451), 1, Verdict(status="waiting", code=451, delay_seconds=15.0)),
        (Deferred(451), 2, Verdict(status="waiting", code=451, delay_seconds=30.0)),
        (Deferred(451), 3, Verdict(status="failed", code=451, failure="expired")),
        (Deferred(0), 1, Verdict(status="waiting", delay_seconds=15.0)),
        (Untried(), 1, Verdict(status="waiting", tried=False)),
        (Untried(), 3, Verdict(status="waiting", tried=False)),
    ],
)
def test_verdicts(outcome: Outcome, attempt: int, verdict: Verdict) -> None:
    assert judge(outcome, attempt=attempt, policy=POLICY, chance=0.0) == verdict


@given(st.integers(1, 100_000), st.floats(0, 1, exclude_max=True))
def test_delays_grow_and_stay_within_their_limit(attempt: int, chance: float) -> None:
    delay = POLICY.delay_seconds(attempt, chance)
    assert 0 < delay <= POLICY.limit_seconds
    assert delay <= POLICY.delay_seconds(attempt + 1, chance)
