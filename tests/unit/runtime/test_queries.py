"""Named SQL: found beside `src` or in the package, each name once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mentorstream_runtime.database import columns_of, load_queries


def service(root: Path, files: dict[str, str], *, installed: bool = False) -> str:
    package = root / "src" / "service"
    package.mkdir(parents=True)
    queries = (package if installed else root) / "queries"
    queries.mkdir()
    for name, text in files.items():
        (queries / name).write_text(text, encoding="utf-8")
    return str(package / "__init__.py")


@pytest.mark.parametrize("installed", [False, True])
def test_queries_of_all_files_by_name(tmp_path: Path, installed: bool) -> None:
    files = {
        "a.sql": "-- What is here.\n\n-- name: one\nSELECT 1;\n\n-- name: two\n-- Why.\nSELECT 2\n",
        "b.sql": "-- name: three\nSELECT 'ü'",
    }
    queries = load_queries(service(tmp_path, files, installed=installed))
    assert dict(queries) == {"one": "SELECT 1;", "two": "-- Why.\nSELECT 2", "three": "SELECT 'ü'"}


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"query one is defined twice; the second one in b\.sql"):
        load_queries(service(tmp_path, {"a.sql": "-- name: one\nSELECT 1", "b.sql": "-- name: one\nSELECT 2"}))


def test_a_service_without_queries_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no queries folder"):
        load_queries(str(tmp_path / "src" / "service" / "__init__.py"))


def test_columns_of_rows_and_of_none() -> None:
    assert columns_of([(1, "a"), (2, "b")], 2) == [[1, 2], ["a", "b"]]
    assert columns_of([], 2) == [[], []]
