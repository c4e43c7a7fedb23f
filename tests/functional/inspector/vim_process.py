"""One more process at the same simulated VIM: ``vim_process VERB PATH ARGS``.

Says ``ready`` when it is, and waits for a line before it begins.
"""

import concurrent.futures
import json
import sys
from collections.abc import Callable

from escalator import errors
from escalator.drivers.vim import simulated


def drain(path: str, host: str) -> object:
    """Drain for ever, back and forth, until the process is killed."""
    vim = simulated.Simulated(path)
    _begin()
    while True:
        hosts = {each.host for each in vim.list_instances()}
        for each in [host, *sorted(hosts - {host})]:
            vim.drain(each)


def boot(path: str, name: str, count: str) -> object:
    """Boot ``count`` instances from 8 threads; return how many fitted."""
    vim = simulated.Simulated(path)

    def one(number: int) -> bool:
        try:
            vim.boot(f"{name}-{number}", "red")
        except errors.ActionFailed:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        _begin()
        return sum(pool.map(one, range(int(count))))


def mark(path: str, rounds: str, *hosts: str) -> object:
    """Mark hosts down and up again and again, down at last."""
    vim = simulated.Simulated(path)
    _begin()
    for _ in range(int(rounds)):
        vim.mark_down(hosts, False)
        vim.mark_down(hosts, True)
    return len(hosts)


def create(path: str, inventory: str) -> object:
    """Be one of several that find no file."""
    _begin()
    return len(simulated.Simulated(path, inventory).list_instances())


def _begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


VERBS: dict[str, Callable[..., object]] = {
    "drain": drain,
    "boot": boot,
    "mark": mark,
    "create": create,
}

if __name__ == "__main__":
    print(json.dumps(VERBS[sys.argv[1]](*sys.argv[2:])), flush=True)
