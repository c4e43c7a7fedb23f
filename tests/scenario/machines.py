"""What makes a node boot again after a reboot: its firmware and its init system."""

import threading
import time

from tests.fixtures import nodes
from tests.scenario.stage import Stage

CONTROL = "/usr/sbin/demo-service-control"
PROGRAM = "/usr/local/sbin/reboot-node"
OPTIONS = f"""
boot_id_path = {nodes.BOOT_ID}
reboot_command = /usr/bin/python3,-I,-S,{PROGRAM}
"""
"""Of a node's ``[agent]``."""
CHECK_S = 0.05


class Machines:
    """Boots nodes that went down, and starts what runs on them.

    :param broken: a node that stays off once it went down.
    :ivar boots: node -> the boot ids of the boots seen here, in order.
    """

    def __init__(self, stage: Stage, off_s: float, broken: str = "") -> None:
        self.boots: dict[str, list[str]] = {node.name: [] for node in stage.bed.nodes}
        self.broken = broken
        self.troubles: list[str] = []
        self._stage = stage
        self._off_s = off_s
        self._is_over = threading.Event()
        for node in stage.bed.nodes:
            node.write(PROGRAM, nodes.REBOOT)
        self._threads = [
            threading.Thread(target=self._attend, args=[node], daemon=True)
            for node in stage.bed.nodes
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Leave the nodes as they are; idempotent."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(30)

    def boot(self, node: nodes.Node) -> None:
        """Power a node on that is off, and start its daemon and its agent."""
        time.sleep(self._off_s)
        node.power_on()
        self.boots[node.name].append(self.boot_id(node))
        node.run([CONTROL, "start"], check=True)
        self._stage.services.restart(node.name)

    def boot_id(self, node: nodes.Node) -> str:
        return node.run(["cat", nodes.BOOT_ID], check=True).stdout.strip()

    def _attend(self, node: nodes.Node) -> None:
        while not self._is_over.wait(CHECK_S):
            if node.is_on:
                continue
            node.power_off()
            if node.name == self.broken:
                return
            try:
                self.boot(node)
            except Exception as error:
                self.troubles.append(f"{node.name}: {error}")
                return
