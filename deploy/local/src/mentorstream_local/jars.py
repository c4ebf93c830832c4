"""Kafka's jars: fetched once by jgo, held to the SHA-256 that `kafka.lock.toml` records.

The lock names coordinates, versions and hashes, and no address: where jars come from is the machine's matter
(MENTORSTREAM_MAVEN_REPOSITORY, proxies), what they contain is ours. Nothing unlocked gets on the class path.
`python -m mentorstream_local.jars` resolves the coordinates anew and rewrites the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jgo.env import LockFile
from jgo.maven import MavenContext
from jgo.parse import Endpoint

from mentorstream_local.daemons import StartError
from mentorstream_local.paths import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

# log4j-core must not become a coordinate of its own: jgo then settles on an old kafka-clients.
_COORDINATES = "org.apache.kafka:kafka_2.13:4.3.0+org.slf4j:slf4j-simple:1.7.36"
_LOCK_PATH = Path(__file__).with_name("kafka.lock.toml")
_DOWNLOADS_AT_ONCE = 8


class JarsError(StartError):
    """The jars could not be fetched, or are not what the lock says."""


def class_path() -> str:
    """The class path of the locked jars, downloaded where missing and checked each time. Raises `JarsError`."""
    repository = cache_directory() / "maven"
    repository.mkdir(parents=True, exist_ok=True)
    lock = LockFile.load(_LOCK_PATH)
    with _exclusive(repository / ".lock"), _certificates_for_requests():
        # Whatever does not match its hash was cut off or tampered with: fetch it anew, once.
        wrong = lock.verify_checksums(repository)
        if wrong:
            _fetch(lock, repository)
            wrong = lock.verify_checksums(repository)
    if wrong:
        raise JarsError("Kafka's jars are not what kafka.lock.toml says: " + "; ".join(wrong))
    return os.pathsep.join(str(_jar_path(lock, repository, index)) for index in range(len(lock.dependencies)))


def _jar_path(lock: LockFile, repository: Path, index: int) -> Path:
    dependency = lock.dependencies[index]
    name = f"{dependency.artifactId}-{dependency.version}.{dependency.packaging}"
    return repository.joinpath(*dependency.groupId.split("."), dependency.artifactId, dependency.version, name)


def _context(repository: Path) -> MavenContext:
    mirror = os.environ.get("MENTORSTREAM_MAVEN_REPOSITORY")
    return MavenContext(
        repo_cache=repository, remote_repos={"mirror": mirror.rstrip("/")} if mirror else None, timeout=60
    )


def _fetch(lock: LockFile, repository: Path) -> None:
    context = _context(repository)

    def fetch(index: int) -> None:
        path, dependency = _jar_path(lock, repository, index), lock.dependencies[index]
        with contextlib.suppress(FileNotFoundError):
            intact = LockFile([dependency]).verify_checksums(repository) == []
            if intact:
                return
            path.unlink()
        component = context.project(dependency.groupId, dependency.artifactId).at_version(dependency.version)
        component.artifact(packaging=dependency.packaging).resolve()

    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        try:
            list(pool.map(fetch, range(len(lock.dependencies))))
        except (OSError, RuntimeError) as error:
            raise JarsError(
                f"could not download Kafka's jars: {error}. Is the network reachable? A proxy is taken from "
                "HTTPS_PROXY, certificates from REQUESTS_CA_BUNDLE or SSL_CERT_FILE, a mirror of Maven Central from "
                "MENTORSTREAM_MAVEN_REPOSITORY."
            ) from error


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """One process downloads; the others wait and find everything there."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _certificates_for_requests() -> Iterator[None]:
    """Let requests, which jgo downloads with, trust what the machine trusts: it does not read SSL_CERT_FILE itself."""
    bundle = os.environ.get("SSL_CERT_FILE")
    if not bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        yield
        return
    os.environ["REQUESTS_CA_BUNDLE"] = bundle
    try:
        yield
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]


def relock() -> None:
    """Resolve the coordinates from the repository and write `kafka.lock.toml`."""
    repository = cache_directory() / "maven"
    with _certificates_for_requests():
        context = _context(repository)
        wanted = [
            context.create_dependency(replace(coordinate, scope="compile"))
            for coordinate in Endpoint.parse(_COORDINATES).coordinates
        ]
        direct, transitive = context.resolver.resolve(wanted)
        needed = [*direct, *(item for item in transitive if item.scope in ("compile", "runtime"))]
        LockFile.from_resolved_dependencies(needed, environment_name="kafka").save(_LOCK_PATH)


if __name__ == "__main__":
    relock()
