"""What the demo tells at its end: the funnel by program and by organisation, the invariants, where to look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from rich.console import Console
from rich.table import Table

from mentorstream_events import registrations as asked
from mentorstream_events.feedback import FeedbackRequested, FeedbackSubmitted
from mentorstream_events.matches import MatchConfirmed, ParticipantWaitlisted
from mentorstream_events.meetings import MeetingCompleted, MeetingScheduled
from mentorstream_events.notifications import NotificationSent
from mentorstream_local.demo.driver import DemoResult
from mentorstream_local.demo.facts import Facts
from mentorstream_local.system import LocalSystem

_STAGES: Final = ("participants", "matched", "waitlisted", "held", "asked", "answered")


def counts_of(result: DemoResult, dead_letters: int) -> dict[str, int]:
    """The figures of the whole run; the same at every run."""
    facts = result.facts
    return {
        "accepted": result.accepted,
        "participants": len(facts.of("registrations", asked.ParticipantRegistered)),
        "matches": len(facts.of("matches", MatchConfirmed)),
        "waitlisted": len({event.data.participant_id for event in facts.of("matches", ParticipantWaitlisted)}),
        "meetings_scheduled": len(facts.of("meetings", MeetingScheduled)),
        "meetings_completed": len(facts.of("meetings", MeetingCompleted)),
        "feedback_requested": len(facts.of("feedback", FeedbackRequested)),
        "feedback_submitted": len(facts.of("feedback", FeedbackSubmitted)),
        "notifications_sent": len(facts.of("notifications", NotificationSent)),
        "dead_letters": dead_letters,
    }


def report_of(result: DemoResult, counts: Mapping[str, int]) -> dict[str, Any]:
    """The whole as one JSON document."""
    return {
        "counts": dict(counts),
        "invariants": {check.name: check.holds for check in result.checks},
        "violations": {check.name: list(check.violations) for check in result.checks if check.violations},
        "refusals": list(result.refusals),
        "seconds": round(result.seconds, 1),
    }


def show(console: Console, result: DemoResult, counts: Mapping[str, int], names: Mapping[UUID, str]) -> None:
    """The tables. `names` are organisations' names by id."""
    facts = result.facts
    titles = {
        event.data.program_id: f"{names.get(event.data.organisation_id, '?')}/{event.data.title}"
        for event in facts.of("registrations", asked.ProgramConfigured)
    }
    console.print(_funnel("by program", _by_program(facts), {str(key): title for key, title in titles.items()}))
    console.print(_funnel("by organisation", _by_organisation(facts), {str(key): name for key, name in names.items()}))
    totals = Table("figure", "count", title="The whole run", title_justify="left")
    for name, count in counts.items():
        totals.add_row(name.replace("_", " "), str(count))
    for act, count in result.did.most_common():
        totals.add_row(f"people: {act}", str(count), style="dim")
    console.print(totals)
    checks = Table("", "invariant", "holds", title="Invariants", title_justify="left")
    for check in result.checks:
        checks.add_row(check.name, check.meaning, "yes" if check.holds else "NO\n" + "\n".join(check.violations))
    console.print(checks)
    for refusal in result.refusals:
        console.print(f"not refused as expected: {refusal}", markup=False)


def show_addresses(console: Console, system: LocalSystem) -> None:
    """Where to look, while it is up."""
    table = Table("what", "where", title="Where to look", title_justify="left")
    table.add_row("mails", system.mail.url)
    table.add_row("pages", "the links in the mails lead to them")
    for name, service in system.services.items():
        table.add_row(f"{name}: API, metrics", f"{service.url}/docs\n{service.metrics_url}/metrics")
    table.add_row("live figures", f"{system.services['pulse'].url}/v1/pulse")
    table.add_row("dead letters", f"mentorstream deadletters list matching --stack {system.stack.directory.name}")
    table.add_row("logs", f"mentorstream logs --stack {system.stack.directory.name}")
    console.print(table)


def show_files(console: Console, system: LocalSystem) -> None:
    """Where to look once it is down."""
    table = Table("what", "where", title="Where to look", title_justify="left")
    table.add_row("mails", str(system.mail.directory / "mails"))
    table.add_row("logs", str(system.stack.directory / "services"))
    table.add_row("pages, metrics, dead letters", "while it is up: mentorstream demo --keep")
    console.print(table)


def _funnel(title: str, rows: Mapping[str, Counter[str]], names: Mapping[str, str]) -> Table:
    table = Table(title=f"The funnel {title}", title_justify="left")
    table.add_column("", no_wrap=True)
    for stage in _STAGES:
        table.add_column(stage, justify="right")
    for key, counts in sorted(rows.items(), key=lambda row: names.get(row[0], row[0])):
        table.add_row(names.get(key, key), *(str(counts[stage]) for stage in _STAGES))
    return table


def _by_program(facts: Facts) -> dict[str, Counter[str]]:
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for event in facts.of("matches", MatchConfirmed):
        rows[event.key]["matched"] += 1
    for key, count in _distinct_people(facts.of("matches", ParticipantWaitlisted), lambda data: str(data.program_id)):
        rows[key]["waitlisted"] += count
    stages = (
        ("registrations", asked.ParticipantRegistered, "participants"),
        ("meetings", MeetingCompleted, "held"),
        ("feedback", FeedbackRequested, "asked"),
        ("feedback", FeedbackSubmitted, "answered"),
    )
    for topic, model, stage in stages:
        for item in facts.of(topic, model):
            rows[item.key][stage] += 1
    return rows


def _by_organisation(facts: Facts) -> dict[str, Counter[str]]:
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for registered in facts.of("registrations", asked.ParticipantRegistered):
        rows[str(registered.data.organisation_id)]["participants"] += 1
    for confirmed in facts.of("matches", MatchConfirmed):
        for organisation in {m.organisation_id for m in (confirmed.data.mentor, *confirmed.data.mentees)}:
            rows[str(organisation)]["matched"] += 1
    waiting = facts.of("matches", ParticipantWaitlisted)
    for key, count in _distinct_people(waiting, lambda data: str(data.organisation_id)):
        rows[key]["waitlisted"] += count
    for completed in facts.of("meetings", MeetingCompleted):
        for organisation in {attendee.organisation_id for attendee in completed.data.attendees}:
            rows[str(organisation)]["held"] += 1
    for requested in facts.of("feedback", FeedbackRequested):
        rows[str(requested.data.organisation_id)]["asked"] += 1
    for submitted in facts.of("feedback", FeedbackSubmitted):
        rows[str(submitted.data.organisation_id)]["answered"] += 1
    return rows


def _distinct_people(events: Iterable[Any], key_of: Any) -> list[tuple[str, int]]:
    found = {(key_of(event.data), event.data.participant_id) for event in events}
    return list(Counter(key for key, _ in found).items())
