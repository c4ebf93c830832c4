"""What intake says no with: a kind, a title, and for each fault the place, the cause and what was expected.

The sentences are part of the product: a partner's developer reads them without us at hand. They never repeat an
e-mail address or a name, because answers end up in logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

# malformed, too_large: it was not read. invalid: it makes no sense. forbidden: it is not this organisation's to ask.
# conflict: the id was used for something else. unknown: the thing named in the address does not exist.
Kind = Literal["malformed", "too_large", "invalid", "forbidden", "conflict", "unknown"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault. `pointer` is a JSON pointer (RFC 6901) into what the partner sent."""

    pointer: str
    detail: str

    def under(self, prefix: str) -> Violation:
        """The same fault seen from a document that holds this one at `prefix`."""
        return replace(self, pointer=prefix + self.pointer)


class Refused(Exception):
    """A request that is not accepted. It has changed nothing; sent again once mended, it may keep its id."""

    def __init__(self, kind: Kind, title: str, violations: Sequence[Violation]) -> None:
        super().__init__(f"{kind}: {title}")
        self.kind: Kind = kind
        self.title = title
        self.violations = tuple(violations)

    def under(self, prefix: str) -> Refused:
        """The same refusal with all pointers below `prefix`."""
        return Refused(self.kind, self.title, [violation.under(prefix) for violation in self.violations])


def refuse(kind: Kind, title: str, pointer: str, detail: str) -> Refused:
    """A refusal with one fault."""
    return Refused(kind, title, [Violation(pointer, detail)])
