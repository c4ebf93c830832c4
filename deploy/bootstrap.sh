#!/bin/sh
# Sets up everything that `make` needs, from nothing but Python and a network: finds a Python that will do, and hands
# over to bootstrap.py. An interpreter may be named by PYTHON.
set -eu
here=$(dirname "$0")

# A command of that name may exist and still not run (a pyenv shim of a version that is not selected), so try it.
works() {
    "$1" -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
}

for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3 python; do
    if works "$candidate"; then
        exec "$candidate" -I "$here/bootstrap.py" "$@"
    fi
    if [ "$candidate" = "${PYTHON:-}" ]; then
        echo "PYTHON=$PYTHON does not run, or is not Python 3.11, 3.12 or 3.13." >&2
        exit 1
    fi
done

cat >&2 <<'END'
No Python 3.11, 3.12 or 3.13 was found. Install one, for example:
    Debian, Ubuntu:  apt-get install python3 python3-venv
    Fedora:          dnf install python3.13
    macOS:           brew install python@3.13
or name one: make PYTHON=/path/to/python3.13 ...
END
exit 1
