"""Feedback: asks both sides how a meeting went and acts on the answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feedback.adapters.answers import RequestPages
from feedback.adapters.batches import MeetingBatch, PeopleBatch
from feedback.adapters.restoring import FeedbackRestorer
from feedback.adapters.retention import TextRetention
from feedback.entrypoints.consumer import MEETINGS, PEOPLE, TopicHandler
from feedback.entrypoints.http import Respondents, build_api
from feedback.entrypoints.pages import FeedbackPages
from feedback.settings import FeedbackSettings
from mentorstream_runtime.database import load_queries
from mentorstream_runtime.process import Parts, Runtime

_PACKAGE_FILE = str(Path(__file__).with_name("__init__.py"))


def build(runtime: Runtime[FeedbackSettings]) -> Parts:
    """Wire the service: the only place that knows which adapter serves which port."""
    queries = load_queries(_PACKAGE_FILE)
    settings = runtime.settings
    requests = RequestPages(runtime.pool, runtime.api_pool, queries, runtime.write)
    pages = FeedbackPages(_PACKAGE_FILE, retention_days=settings.text_retention_days)
    return Parts(
        readers={
            "meetings": lambda: TopicHandler(MEETINGS, MeetingBatch(queries)),
            "people": lambda: TopicHandler(PEOPLE, PeopleBatch(queries)),
        },
        timers=[TextRetention(runtime.pool, queries, timedelta(days=settings.text_retention_days))],
        api=build_api(settings, Respondents(runtime, requests, pages)),
        restorer=FeedbackRestorer(queries),
    )
