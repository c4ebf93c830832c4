"""What every Mentorstream service runs on: delivery, outbox, database, broker, clock, health, settings.

Public surface: `process.main`, `process.Process`, `process.Runtime`, `process.Parts`; `batch.Handler`;
`outbox.emit`, `outbox.Cause`, `outbox.Outgoing`; `timers.Timer`; `database.*`; `http.*`; `pages.Pages`; `links.Links`;
`errors.Rejected`; `settings.RuntimeSettings`. Imports no service.
"""
