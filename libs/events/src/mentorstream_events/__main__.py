"""Command line of the contracts: `python -m mentorstream_events regenerate|check`.

For people who change contracts and for CI; services never run it. It writes files, so unlike the package itself it
needs a checkout and the `generate` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

_ADVICE = """\
A published version of a type only grows by optional fields. Instead of changing it, add a new version:
write the new model, register it as the type's next version in catalog.py, and keep the old one until no topic
holds its events any more. A version that was never released may be changed: delete its schema file first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0 when all is well, 1 when files are stale or a change breaks a reader."""
    parser = argparse.ArgumentParser(prog="python -m mentorstream_events", description="The event contracts' files.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("regenerate", help="write golden schemas, docs/events/asyncapi.yaml and the reference pages")
    commands.add_parser("check", help="exit 1 when a generated file is not current or a change breaks a reader")
    command = parser.parse_args(arguments).command
    try:
        from .generate import artifacts
    except ModuleNotFoundError as error:
        return _fail(f"{error}; install the extra: pip install 'mentorstream-events[generate]'")
    try:
        root = artifacts.repository()
    except artifacts.NotACheckoutError as error:
        return _fail(str(error))
    documents = root / "docs/events"
    if broken := artifacts.published_incompatibilities():
        return _fail("These changes break a reader:", *(f"  {line}" for line in broken), _ADVICE)
    if command == "regenerate":
        written = artifacts.write(documents)
        sys.stdout.writelines(f"wrote {path.relative_to(root)}\n" for path in written)
        sys.stdout.write(f"{len(written)} written, the rest was current\n")
        return 0
    if stale := artifacts.stale_files(documents):
        return _fail(
            "These files are not current:",
            *(f"  {path.relative_to(root)}" for path in stale),
            f"Run: {artifacts.REGENERATE}",
        )
    sys.stdout.write("all generated files are current\n")
    return 0


def _fail(*lines: str) -> int:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return 1


if __name__ == "__main__":
    sys.exit(main())
