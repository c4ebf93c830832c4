"""The demo's committed files, as twelve partners would send them: all good input is accepted, all bad is refused."""

from __future__ import annotations

from mentorstream_events.registrations import ParticipantRegistered, ProgramConfigured
from mentorstream_local.demo.data import EVENT_CONTENT_TYPE, LaterEvent, batch_body, load

from .conftest import BATCH, Intake, PartnerClient


async def test_the_demos_input_gets_the_answers_it_expects(intake: Intake) -> None:
    data = load()
    partners = {each.name: await intake.partner(each.name) for each in data.organisations}
    signing = {each.name for each in data.organisations if each.authentication == "signature"}

    def proof(partner: PartnerClient, body: bytes) -> dict[str, str]:
        return partner.signature(body) if partner.name in signing else partner.headers

    async def send(partner: PartnerClient, body: bytes, content_type: str, path: str = "/v1/events") -> int:
        headers = {**proof(partner, body), "content-type": content_type}
        answer = await intake.http.post(path, content=body, headers=headers)
        assert answer.status_code == 202, (partner.name, answer.text[:500])
        return len(answer.json()["accepted"]) if path == "/v1/events" else int(answer.json()["accepted"])

    for program in data.programs:
        await send(partners[program.organisation], program.body, EVENT_CONTENT_TYPE)
    people = 0
    for file in data.imports:
        accepted = await send(partners[file.organisation], file.path.read_bytes(), file.content_type, "/v1/imports")
        assert accepted == file.rows
        people += accepted
    for batch in data.batches:
        people += await send(partners[batch.organisation], batch_body(batch.events), BATCH)
    assert len(await intake.facts(ParticipantRegistered)) == people
    assert len(await intake.facts(ProgramConfigured)) == len(data.programs)

    wrong = []
    for bad in data.refused_requests:
        partner = partners[bad.organisation]
        headers = {} if bad.authentication == "none" else proof(partner, bad.body)
        if bad.authentication == "wrong":
            headers = {name: value[:-3] + "abc" for name, value in headers.items()}
        answer = await intake.http.post(
            bad.path, content=bad.body, headers={**headers, "content-type": bad.content_type}
        )
        pointers = [error["pointer"] for error in answer.json().get("errors", [])]
        if answer.status_code != bad.status or (pointers[0] if pointers else None) != bad.pointer:
            wrong.append((bad.name, answer.status_code, pointers, answer.json().get("detail")))
    assert wrong == []

    for action in data.later:
        partner = partners[action.organisation]
        if isinstance(action, LaterEvent):
            await send(partner, action.event.body, EVENT_CONTENT_TYPE)
        else:
            erased = await intake.http.delete(f"/v1/people/{action.person}", headers=partner.headers)
            assert erased.status_code == 202, erased.text
