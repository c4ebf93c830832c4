#!/bin/sh
# Writes requirements.lock (what the services run on), requirements-dev.lock (that, and all tools) and deploy/docker/*.lock from the
# pyproject.toml files. Run it after changing a dependency, and commit both.
set -eu
cd "$(dirname "$0")/.."
ours=""
for name in events runtime intake matching scheduling feedback notifications pulse local; do
  ours="$ours --no-emit-package mentorstream-$name"
done
compile() {
  # shellcheck disable=SC2086 # the options are words
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $ours "$@"
}
compile libs/*/pyproject.toml services/*/pyproject.toml -o requirements.lock
compile -c requirements.lock libs/*/pyproject.toml services/*/pyproject.toml deploy/local/pyproject.toml \
  --group pyproject.toml:dev -o requirements-dev.lock
# What the images need beside requirements.lock.
for image in build operations; do
  compile -c requirements-dev.lock "deploy/docker/$image.in" -o "deploy/docker/$image.lock"
done
