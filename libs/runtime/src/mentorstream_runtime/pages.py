"""Server-rendered pages for people: no script, nothing loaded from elsewhere, not kept, not indexed."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

_TEMPLATES: Final = Path(__file__).parent / "templates"
HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
)


class Pages:
    """Renders one service's templates (`templates/` beside its `__init__`); they extend this package's `base.html`."""

    def __init__(self, package_file: str) -> None:
        own = Path(package_file).parent / "templates"
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(own), FileSystemLoader(_TEMPLATES)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
        """The page as a response with the headers that keep it private."""
        text = self._environment.get_template(template).render(**context)
        return HTMLResponse(text, status_code=status, headers=dict(HEADERS))

    def message(self, title: str, text: str, *, status: int = 200) -> HTMLResponse:
        """A page that says one thing."""
        return self.render("message.html", status=status, title=title, text=text)
