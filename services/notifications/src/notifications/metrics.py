"""Metrics of notifications."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MAILS = Counter("mentorstream_mails_total", "Mails by kind and what became of them.", ["kind", "status", "reason"])
MAIL_SECONDS = Histogram(
    "mentorstream_mail_seconds",
    "Time from the envelope's begin to the server's last word, for one mail.",
    ["outcome"],  # accepted | refused | deferred
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)
MAILS_UNDER_WAY = Gauge("mentorstream_mails_under_way", "Mails that this process holds a lease on.")
MAILS_OPEN = Gauge(
    "mentorstream_mails_open",
    "Mails neither sent nor given up: ready to go, or held for a person, a title or an earlier mail.",
    ["state"],  # ready | held
)
SERVER_UNREACHABLE = Gauge("mentorstream_mail_server_unreachable", "1 while the mail server cannot be used.")
