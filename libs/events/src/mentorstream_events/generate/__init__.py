"""Writes what follows from the contracts: golden schemas, the AsyncAPI document, the reference.

Only `python -m mentorstream_events` and the tests import it; a service never does, so it may need more than one.
"""
