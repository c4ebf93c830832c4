#!/bin/sh
# Every check of this repository, one after the other: `check.sh lint` stops after the fast ones. All of them run even
# if one fails, and the last lines say which did.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=

step() {
    name=$1
    shift
    echo
    echo "==> $name"
    "$@" || failed="$failed
    $name"
}

step "ruff check" $bin/ruff check .
step "ruff format --check" $bin/ruff format --check .
step "mypy" $bin/mypy libs/*/src services/*/src deploy/local/src tests benchmarks/delivery
step "lint-imports" $bin/lint-imports

if [ "${1:-all}" != lint ]; then
    # The browser tests need Chromium. Its absence fails here, in plain words, and not in the middle of the tests.
    echo
    echo "==> chromium"
    if chromium=$($bin/python -m tests.support.chromium --install); then
        echo "$chromium"
        MENTORSTREAM_CHROMIUM=$chromium
        export MENTORSTREAM_CHROMIUM
    else
        failed="$failed
    chromium"
    fi
    step "pytest, two processes" $bin/pytest --tb=short -n 2 -m "not serial"
    step "pytest, serial" $bin/pytest --tb=short -m serial
fi

echo
if [ -n "$failed" ]; then
    echo "FAILED:$failed"
    exit 1
fi
echo "all checks passed"
