"""What a well-formed request may still get wrong, as far as no state is needed to tell.

Goes through every field that a schema cannot judge and returns all faults, with pointers from the request's data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, Final

import msgspec

from mentorstream_events.partner import (
    AuditGroupRequest,
    ConfigureProgram,
    ConfigureVocabulary,
    Hours,
    ParticipantDetails,
    PersonDetails,
    RegisterParticipant,
    Request,
    SetReportingLine,
    UpdateParticipant,
    UpdatePerson,
)

from ..domain import checks, policies
from ..domain.refusals import Violation

_POINTER: Final = "/participant"
_SKILLS: Final = tuple((name, f"{_POINTER}/{name}") for name in ("offers", "wants"))
_TEXTS: Final = tuple((name, f"{_POINTER}/{name}") for name in ("goals", "interests", "values", "credentials"))
_LISTS: Final = (("languages", f"{_POINTER}/languages"), *_TEXTS, ("blocks", f"{_POINTER}/blocks"))


def meaning_faults(request: Request, document: Any) -> list[Violation]:
    """All faults of a request. `document` is what the partner sent, which shows what was left out."""
    return list(_faults(request, document))


@singledispatch
def _faults(_request: Request, _document: Any) -> Iterator[Violation]:
    return iter(())


@_faults.register
def _(request: ConfigureProgram, document: Any) -> Iterator[Violation]:
    yield from checks.text_faults(request.title, "/title")
    yield from checks.double_faults(request.roles, "/roles")
    yield from checks.double_faults(request.open_to, "/open_to")
    for name in ("mentor_credentials", "mentee_credentials"):
        yield from checks.double_faults(getattr(request.policy, name), f"/policy/{name}")
    yield from checks.weight_faults(msgspec.structs.asdict(request.policy.weights), "/policy/weights")
    yield from policies.policy_faults(
        msgspec.structs.asdict(request.policy), request.kind, document.get("policy", {}), "/policy"
    )


@_faults.register
def _(request: ConfigureVocabulary, _document: Any) -> Iterator[Violation]:
    yield from policies.link_faults([(each.skill, each.kind, each.to_skill) for each in request.links], "/links")


@_faults.register
def _(request: RegisterParticipant, document: Any) -> Iterator[Violation]:
    yield from _person_faults(request.person, "/person")
    yield from _participant_faults(request.participant, document["participant"], request.person.reference)
    if request.manager == request.person.reference:
        yield Violation("/manager", "names the person as their own manager")


@_faults.register
def _(request: UpdateParticipant, document: Any) -> Iterator[Violation]:
    yield from _participant_faults(request.participant, document["participant"], request.person)


@_faults.register
def _(request: UpdatePerson, _document: Any) -> Iterator[Violation]:
    yield from _person_faults(request.person, "/person")


@_faults.register
def _(request: SetReportingLine, _document: Any) -> Iterator[Violation]:
    if request.manager == request.person:
        yield Violation("/manager", "names the person as their own manager")


def _person_faults(person: PersonDetails, pointer: str) -> Iterator[Violation]:
    yield from checks.text_faults(person.full_name, f"{pointer}/full_name")
    yield from checks.email_faults(person.email, f"{pointer}/email")
    yield from checks.zone_faults(person.zone, f"{pointer}/zone")


def _participant_faults(
    details: ParticipantDetails, document: Mapping[str, Any], reference: str
) -> Iterator[Violation]:
    # Most lists have one entry or none: what needs more is not even asked of those.
    if len(details.roles) > 1:
        yield from checks.double_faults(details.roles, f"{_POINTER}/roles")
    yield from checks.capacity_faults(details.roles, document.get("capacity"), f"{_POINTER}/capacity")
    if not _in_order(details.availability):
        hours = [
            (checks.ISO_WEEKDAY[each.weekday], checks.minute_of(each.start), checks.minute_of(each.end))
            for each in details.availability
        ]
        yield from checks.hours_faults(hours, f"{_POINTER}/availability")
    for name, pointer in _LISTS:
        if len(entries := getattr(details, name)) > 1:
            yield from checks.double_faults(entries, pointer)
    skills = [
        ([each.skill for each in entries], pointer) for name, pointer in _SKILLS if (entries := getattr(details, name))
    ]
    for named, pointer in skills:
        yield from checks.double_faults(named, pointer)
    if details.audit_groups:
        yield from _audit_faults(details.audit_groups, f"{_POINTER}/audit_groups")
    if reference in details.blocks:
        index = details.blocks.index(reference)
        yield Violation(f"{_POINTER}/blocks/{index}", "names the person themselves")
    yield from _text_faults(details, skills)


def _text_faults(details: ParticipantDetails, skills: Sequence[tuple[Sequence[str], str]]) -> Iterator[Violation]:
    texts = [*details.goals, *details.interests, *details.values, *details.credentials]
    for named, _ in skills:
        texts += named
    if not checks.are_plain(texts):
        for name, pointer in _TEXTS:
            yield from checks.texts_faults(getattr(details, name), pointer)
        for named, pointer in skills:
            yield from checks.texts_faults(named, pointer, "/skill")
    if details.style is not None:
        yield from checks.text_faults(details.style, f"{_POINTER}/style")
    if details.industry is not None:
        yield from checks.text_faults(details.industry, f"{_POINTER}/industry")


def _in_order(availability: Sequence[Hours]) -> bool:
    """Whether hours follow each other through the week, so that none is wrong. Local times compare as they are read."""
    day_before, end_before = 0, ""
    for each in availability:
        day, start, end = checks.ISO_WEEKDAY[each.weekday], each.start, each.end
        if end <= start or day < day_before or (day == day_before and start < end_before):
            return False
        day_before, end_before = day, end
    return True


def _audit_faults(groups: Sequence[AuditGroupRequest], pointer: str) -> Iterator[Violation]:
    attributes = [each.attribute for each in groups]
    yield from checks.double_faults(attributes, pointer)
    yield from checks.texts_faults(attributes, pointer, "/attribute")
    yield from checks.texts_faults([each.group for each in groups], pointer, "/group")
