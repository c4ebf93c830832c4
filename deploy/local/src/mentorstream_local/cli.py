"""The command `mentorstream`: an index of sub-commands, each in a module of its own."""

from __future__ import annotations

import typer

from mentorstream_local import (
    commands_delivery,
    commands_demo,
    commands_restore,
    commands_stack,
    commands_topics,
    coordinators,
    partners,
    rounds,
)
from mentorstream_local.environment import environment

EXIT_CODES = """Exit codes: 0 done (status: everything runs and is ready), 1 failed (status: something is not ready),
2 wrong usage, 3 not running."""

app = typer.Typer(
    name="mentorstream",
    help="Run and look after Mentorstream.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may be secrets
)
commands_stack.register(app)
app.command()(environment)
commands_demo.register(app)
app.add_typer(commands_topics.app, name="topics")
app.add_typer(partners.app, name="partners")
app.add_typer(coordinators.app, name="coordinators")
app.add_typer(rounds.app, name="rounds")
commands_delivery.register(app)
commands_restore.register(app)

if __name__ == "__main__":
    app()
