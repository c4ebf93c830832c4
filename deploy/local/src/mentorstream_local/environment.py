"""`mentorstream environment`: the variables that docker-compose.yml asks for, with new secrets.

Compose cannot derive the passwords of the database's roles, so they are written out here as the addresses that the
services connect with. It prints and stores nothing, and it never replaces a value that there is: a lost encryption key
or another role secret under a running system would lock it out.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import sys
import uuid
from typing import TYPE_CHECKING, Annotated

import typer
from dotenv import dotenv_values

from mentorstream_local.migrations import SERVICES_WITH_DATABASE, api_role, role_url, worker_role
from mentorstream_local.stack import StackSecrets

if TYPE_CHECKING:
    from collections.abc import Mapping

# Name and port of the server in docker-compose.yml, and the database that `mentorstream migrate` makes by default.
_SERVER = "postgresql://postgres:5432/"
_DATABASE = "mentorstream"


def compose_environment(known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every variable without which docker-compose.yml refuses to start; values of `known` stay as they are.

    Role passwords derive from ROLE_SECRET, the known one if there is one.
    """
    known = {name: value for name, value in (known or {}).items() if value}
    made_up = StackSecrets()
    variables = {
        "POSTGRES_PASSWORD": made_up.postgres_password,
        "ROLE_SECRET": known.get("ROLE_SECRET", made_up.role_secret),
        "LINK_SECRETS": json.dumps(made_up.link_secrets),
        "ENCRYPTION_KEYS": json.dumps(made_up.encryption_keys),
        # The image's own default is the same everywhere, and a broker that lost its data would look like the old one.
        "KAFKA_CLUSTER_ID": base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "x"),
        "GRAFANA_PASSWORD": secrets.token_urlsafe(18),
        "SMTP_HOST": "mailpit",
        "SMTP_PORT": "1025",
    }
    for service in SERVICES_WITH_DATABASE:
        for name, role in (("DATABASE_URL", worker_role(service)), ("API_DATABASE_URL", api_role(service))):
            variables[f"{service.upper()}_{name}"] = role_url(_SERVER, _DATABASE, role, variables["ROLE_SECRET"])
    return {name: known.get(name, value) for name, value in variables.items()}


def environment(
    missing_from: Annotated[
        typer.FileText | None,
        typer.Option(help="A .env file (- is standard input): print only what it lacks, derived from what it has."),
    ] = None,
) -> None:
    """Print the variables that docker-compose.yml needs, with new secrets: put them into .env, readable by you only.

    The mail server is Mailpit, of the profile demo, until you name another one.
    """
    known = dotenv_values(stream=io.StringIO(missing_from.read()), interpolate=False) if missing_from else {}
    had = {name: value for name, value in known.items() if value}
    for name, value in compose_environment(had).items():
        if name not in had:
            sys.stdout.write(f"{name}='{value}'\n")
