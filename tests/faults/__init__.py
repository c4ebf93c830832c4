"""Pull any plug, then look whether everything is in its place. How these tests are made.

What a test of a fault gets (fixtures of `conftest.py`):

`system`  a `FaultSystem` (`system.py`): broker, database, mail sink and services as processes of their own, with the
          driven clock. One is shared by all tests that leave it healthy; after a test that failed, or after some
          loads, the next one gets a new one. A test that must harm its servers for good takes `own_system()` instead:
          `with own_system(postgres_settings=..., extra={"notifications": {...}}) as system`.
`run`     a `Run` (`run.py`) on the shared system: a `Driver` (`driver.py`) that sends what partners send, people who
          answer their mail, time that moves, the wait for the drain, the checks. On a system of one's own:
          `async with Run.on(system, seed=effort.seed) as run`.
`effort`  an `Effort`: `seed`, `long` (bool), `rounds(short, long)`, `size(short, long)`, `limit(seconds)` (a promised
          limit: as it is in the long form, three times as much in the short one).
`record`  `record(drained_seconds=1.2, rounds=20, ...)`: figures for docs/reliability. What a test checked beside the
          invariants goes into its row of `docs/reliability/faults.toml`.

A test module is `test_<what happens>.py`; each test bears `@pytest.mark.fault("F4")`. Everything here is serial.

    @pytest.mark.fault("F3")
    async def test_a_broker_killed_comes_back(system: FaultSystem, run: Run, record: Record, effort: Effort) -> None:
        load = run.load(people=effort.size(120, 600))            # seeded; programs, people, then what they change
        async with run.sending(load):                            # sends in the background; waits for it at the end
            await run.until_accepted(load, share=0.3)
            await run.offline(system.broker.kill)                # anything that blocks goes into a thread
            await run.offline(system.broker.restart)
        drained = await run.drain()                              # seconds until nothing is left to do
        await run.live(days=14)                                  # meetings, mails, answers
        await run.check()                                        # I1 to I7 over everything; I8 in the long form
        record(drained_seconds=drained)

`FaultSystem`: `.broker`, `.postgres`, `.mail` (daemons with `kill`, `stop`, `freeze`, `thaw`, `restart`),
`.services[name]` (a `FaultService`; the first one of a service has the service's name and mode `all`),
`.add_worker("matching", ...)` (a further one, mode `worker`, named `matching-2`, returned once ready),
`.remove(name)`, `.poison` (records that must be dead letters: append what you inject), `.resends` (how often a mail
may come again: raise it whenever a sender of mails is killed or frozen), `.ledger` (what was answered 202),
`.admin_url`, `.restore_health()` (thaw, restart and wait until ready: called before each test).
`FaultService`: a `ServiceProcess` with `.through` (a `Proxies`: addresses of proxies it is to use in place of broker
and database), `.point` (a text for `pointed`, see below), `.extra`; set them, then `start` or `restart`.

Modules of others that this one counts on:

`proxy.py`    `TcpProxy(target_port)`: a TCP proxy on 127.0.0.1 in a thread of its own. `.port`; `.cut()` ends all
              connections (reset) and refuses new ones; `.stall()` keeps them and passes nothing; `.heal()`; `.close()`;
              a context manager. `system.broker_proxy()` and `system.postgres_proxy()` make them; the broker has a
              listener that advertises the former's port.
`pointed.py`  `python -m tests.faults.pointed <service> <mode>`: registers what happens at a fault point, as
              MENTORSTREAM_FAULT_POINT says ("after_commit:kill:3": at the third time; kill, stop or raise), then runs
              the service. `FaultService.point` sets that variable and this launcher.
`poison.py`   makes each kind of record that must end as a dead letter.

Short form: `pytest tests/faults` (part of `make test`). Long form: `make faults`, with SEED, ONLY (F1,F6) and ROUNDS:
more rounds, more load, promised limits, I8 after every fault; figures go to docs/reliability/results.json.
"""
