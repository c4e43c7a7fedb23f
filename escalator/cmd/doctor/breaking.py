"""Keeps a host broken as long as its parent lives: ``python -m ... BREAK MEND``.

A test that is killed mends nothing.  So a process of its own does both, the one
after the other: it mends when it is told to, and when its standard input ends,
which the kernel sees to if the parent is gone.  It has a session of its own, too:
neither the terminal's Ctrl-C nor its end reaches it.

The arguments are two commands, each a JSON list of strings.  A JSON object is
answered when the host is broken, ``at`` (epoch seconds, the moment before) and
``trouble`` (empty: it worked), and another one, ``trouble``, to each line read.
"""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

LIMIT_S = 60.0

TRIES, PAUSE_S = 10, 1.0
"""How often an orphan tries to mend."""


def run(argv: Sequence[str]) -> str:
    """Run a command; return what went wrong, empty if nothing did."""
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{shlex.join(argv)}: {error}"
    if not done.returncode:
        return ""
    said = done.stderr.strip() or done.stdout.strip()
    return f"{shlex.join(argv)} ended with {done.returncode}: {said}"


def main() -> int:
    """Break, wait, mend; returns 0 if it is mended."""
    to_break, to_mend = map(json.loads, sys.argv[1:])
    at = time.time()
    _answer(at=at, trouble=run(to_break))
    for _ in sys.stdin:
        trouble = run(to_mend)
        _answer(trouble=trouble)
        if not trouble:
            return 0
    for _ in range(TRIES):
        trouble = run(to_mend)
        if not trouble:
            return 0
        print(f"Not mended: {trouble}", file=sys.stderr)
        time.sleep(PAUSE_S)
    return 1


def _answer(**told: object) -> None:
    """Tell the parent, which may be gone."""
    try:
        print(json.dumps(told), flush=True)
    except BrokenPipeError:
        # Or the interpreter tries, and complains, at its end once more.
        sys.stdout = None


if __name__ == "__main__":
    sys.exit(main())
