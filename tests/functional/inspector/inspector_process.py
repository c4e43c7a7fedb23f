"""An inspector as a process of its own, for killing.

    python -m tests.functional.inspector.inspector_process URL PREFIX VIM_FILE

Says ``ready`` when it listens, and works until it is killed.
"""

import sys
import threading
from typing import Any

from escalator.bus import events as bus
from escalator.drivers.vim import simulated
from escalator.inspector import service
from escalator.objects import registry
from tests.fixtures import bus as helpers

assert registry.CLASSES


def main(url: str, prefix: str, path: str) -> None:
    """Inspect for ever."""
    conf = helpers.make_conf(url, prefix=prefix, prefetch=10, publish_timeout_s=5.0)
    made: list[bus.EventListener] = []

    def listen(*given: Any) -> bus.EventListener:
        made.append(bus.EventListener(conf, *given))
        return made[-1]

    inspector = service.InspectorService(
        conf, simulated.Simulated(path), bus.EventPublisher(conf), listen, None
    )
    inspector.start()
    assert all(each.wait_ready(20.0) for each in made)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
