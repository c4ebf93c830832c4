"""What the documents name exists: links, files, functions, types, tables, settings, commands.

A function is written `name()` and must be defined in a Python file that is linked in the same block, so that whoever
follows the link finds it. Everything is looked up in the sources; nothing of ours is imported but the contracts and
the command line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import typer.main

from mentorstream_events import BY_TYPE
from mentorstream_local.cli import app

ROOT: Final = Path(__file__).parents[3]
_SOURCES: Final = ("libs", "services", "deploy", "tests")
_FENCE: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"`([^`\n]+)`")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_TABLE: Final = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)


def _documents() -> Iterator[Path]:
    """Every Markdown file of the checkout; not those of packages and caches."""
    yield from ROOT.glob("*.md")
    for top in ("docs", *_SOURCES):
        yield from (path for path in (ROOT / top).rglob("*.md") if "node_modules" not in path.parts)


DOCUMENTS: Final = sorted(_documents())
# Written by hand about the code. Generated pages and runbooks have tests of their own.
PROSE: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/index.md")),
    *sorted((ROOT / "docs/decisions").glob("*.md")),
]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text("utf-8"))


def _blocks(path: Path) -> Iterator[str]:
    """Paragraphs, list items' paragraphs, and each row of a table by itself."""
    for paragraph in re.split(r"\n\s*\n", _prose(path)):
        if paragraph.lstrip().startswith("|"):
            yield from paragraph.splitlines()
        else:
            yield paragraph


@cache
def _anchors(path: Path) -> frozenset[str]:
    """What code hosts make of headings: lower case, no punctuation, hyphens for spaces, numbered if double."""
    counts: dict[str, int] = {}
    anchors = set()
    for heading in _HEADING.findall(_prose(path)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = counts.get(slug, 0)
        counts[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return frozenset(anchors)


@cache
def _names_in(path: Path) -> frozenset[str]:
    """Everything that a Python file defines at any depth: `name`, and `Class.name` for what a class holds."""
    names: set[str] = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.update((child.name, f"{prefix}{child.name}"))
                inner = f"{child.name}." if isinstance(child, ast.ClassDef) else ""
            elif isinstance(child, ast.Assign | ast.AnnAssign):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            visit(child, inner)

    visit(ast.parse(path.read_text("utf-8")), "")
    return frozenset(names)


@cache
def _all_names() -> frozenset[str]:
    return frozenset().union(
        *(
            _names_in(path)
            for top in _SOURCES
            for path in (ROOT / top).rglob("*.py")
            if "node_modules" not in path.parts
        )
    )


@cache
def _tables() -> frozenset[str]:
    """Tables as `service.table`, those that every service's schema has included."""
    shared = {name for path in (ROOT / "libs/runtime/migrations").glob("*.sql") for name in _tables_in(path)}
    found: set[str] = set()
    for service in (ROOT / "services").iterdir():
        own = {name for path in (service / "migrations").glob("*.sql") for name in _tables_in(path)}
        found |= {f"{service.name}.{table}" for table in own | shared}
    return frozenset(found)


def _tables_in(path: Path) -> list[str]:
    return _TABLE.findall(path.read_text("utf-8"))


def _linked_files(path: Path, block: str) -> list[Path]:
    targets = (path.parent / link.partition("#")[0] for link in _LINK.findall(block) if "://" not in link)
    return [target.resolve() for target in targets if target.suffix == ".py"]


@cache
def _environment_names() -> frozenset[str]:
    """Fields of settings as variables, and every variable that some file of ours names in full."""
    names = set()
    for top in (*_SOURCES[:3], "tests/support"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in {".py", ".sh"} and "node_modules" not in path.parts:
                text = path.read_text("utf-8")
                names.update(re.findall(r"\bMENTORSTREAM_[A-Z_]+\b", text))
                if path.name == "settings.py":
                    fields = re.findall(r"^    ([a-z]\w*): .+ = ", text, re.MULTILINE)
                    names.update(f"MENTORSTREAM_{field.upper()}" for field in fields)
    return frozenset(names)


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(_prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{link}: there is no {target}"
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found), f"{link}: {_name(found)} has no such heading"


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_files_exist(path: Path) -> None:
    tops = {each.name for each in ROOT.iterdir()} - {".venv", ".local", ".cache"}
    for code in _CODE.findall(_prose(path)):
        for word in code.split():
            if re.fullmatch(r"[\w.\-/]+", word) and "/" in word and word.split("/")[0] in tops:
                assert (ROOT / word).exists(), f"`{code}`: there is no {word}"


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_functions_are_in_the_files_linked_beside_them(path: Path) -> None:
    for block in _blocks(path):
        calls = re.findall(r"`([A-Za-z_][\w.]*)\(\)`", block)
        files = _linked_files(path, block)
        assert files or not calls, f"no file is linked beside {calls}"
        for call in calls:
            assert any(call in _names_in(file) for file in files), f"{call}() is in none of {[*map(_name, files)]}"


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_types_constants_and_dotted_names_exist(path: Path) -> None:
    """Dotted names are events without prefix and version, whole event types, or tables."""
    for code in _CODE.findall(_prose(path)):
        if re.fullmatch(r"[A-Z]\w*[a-z]\w*|[A-Z][A-Z_]{3,}", code) and not code.startswith("MENTORSTREAM"):
            assert code in _all_names() | _STANDARD, f"`{code}` is defined nowhere"
        elif re.fullmatch(r"[a-z_]+(\.[a-z_]+)+(\.v\d+)?", code) and not _is_file_name(code):
            event = code if code.startswith("mentorstream.") else f"mentorstream.{code}.v1"
            known = event in BY_TYPE or event in _partner_requests() or code in _tables() or code in _STANDARD
            assert known, f"`{code}` is no event and no table"


# Names of others: Kafka, Linux, PostgreSQL, Python, pydantic.
_STANDARD: Final = frozenset({"group.instance.id", "CAP_DAC_OVERRIDE", "NOTIFY", "Protocol", "SecretStr"})


def _is_file_name(code: str) -> bool:
    return code.rpartition(".")[2] in {"py", "md", "sql", "toml", "txt", "lock", "yml", "sh", "typed", "in"}


@cache
def _partner_requests() -> frozenset[str]:
    from mentorstream_events.partner import REQUESTS

    return frozenset(REQUESTS)


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_file_names_alone_are_names_of_files(path: Path) -> None:
    for code in _CODE.findall(_prose(path)):
        if re.fullmatch(r"[\w\-]+\.(py|sh|toml|lock|yml)", code):
            found = (ROOT / code).exists() or any(next((ROOT / top).rglob(code), None) for top in _SOURCES)
            assert found, f"there is no file {code}"


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_variables_are_read_by_something(path: Path) -> None:
    for name in re.findall(r"\bMENTORSTREAM_[A-Z_]*[A-Z]\b", path.read_text("utf-8")):
        assert name in _environment_names(), f"nothing reads {name}"


def test_the_readme_lists_every_command() -> None:
    commands = getattr(typer.main.get_command(app), "commands", {})
    listed = re.findall(r"^\| `mentorstream (\w+)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(commands)


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_targets_of_make_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = path.read_text("utf-8")
    named = [code.split()[1:] for code in _CODE.findall(text) if code.startswith("make ")]
    named += [line.split()[1:] for line in re.findall(r"^make .*$", text, re.MULTILINE)]
    for words in named:
        for word in words:
            assert "=" in word or word in targets, f"make has no target {word}"


def test_the_index_lists_every_decision() -> None:
    text = (ROOT / "docs/index.md").read_text("utf-8")
    for path in (ROOT / "docs/decisions").glob("*.md"):
        assert f"(decisions/{path.name})" in text, f"{path.name} is not in docs/index.md"


def test_decisions_have_their_parts_and_numbers_without_gaps() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for number, path in enumerate(decisions, start=1):
        text = path.read_text("utf-8")
        assert text.startswith(f"# {number}. "), f"{path.name}: the title begins with the number"
        for part in ("**Context.**", "**Decision.**", "**Consequence.**"):
            assert text.count(part) == 1, f"{path.name}: {part}"
