"""How partners name programs: their own by reference, those of others as owner/reference."""

from __future__ import annotations


def owner_and_reference(named: str, own_name: str) -> tuple[str, str]:
    """Short name of the owner, and the owner's reference, of what `own_name` calls `named`."""
    owner, slash, reference = named.partition("/")
    return (owner, reference) if slash else (own_name, named)
