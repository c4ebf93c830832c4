"""Asks both sides how a meeting went and acts on the answers.

What one side writes in private is read by nobody on the other side: no event carries it, no page shows it but the
respondent's own.
"""
