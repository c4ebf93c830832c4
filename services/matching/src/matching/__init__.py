"""Decides who is matched with whom, and why not.

One program is one pool, decided in the order of `registrations` and of nothing else. The page and the clock only ask:
their requests come back on the same topic, so a replay repeats every decision.
"""
