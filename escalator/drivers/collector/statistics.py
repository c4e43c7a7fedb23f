"""How loaded a host is, read by psutil (V-6)."""

import psutil

from escalator.drivers import base


class HostStatistics(base.Collector):
    """Load, memory, swap, root file system and network of the host.

    ``network_errors``: received and sent with errors, or dropped, since the boot.
    """

    kind = "statistics"

    def collect(self, timeout_s: float) -> dict[str, float]:
        cards = psutil.net_io_counters(pernic=True)
        return {
            "load_per_core": psutil.getloadavg()[0] / (psutil.cpu_count() or 1),
            "memory_used_percent": psutil.virtual_memory().percent,
            "swap_used_percent": psutil.swap_memory().percent,
            "disk_used_percent": psutil.disk_usage("/").percent,
            "network_errors": sum(
                each.errin + each.errout + each.dropin + each.dropout
                for name, each in cards.items()
                if name != "lo"
            ),
        }
