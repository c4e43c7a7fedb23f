"""The agent's process on one host: what comes in, and who deals with it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from escalator.agent import (
    abilities,
    accounts,
    deeds,
    endpoint,
    facts,
    local_facts,
    progress,
    reporting,
    runner,
    state,
    ticker,
)
from escalator.domain import commands
from escalator.drivers import dpkg, loader

TOPICS = {"node": "agent", "vim": "agent.vim"}
"""Topic by capability."""


class AgentService:
    """One agent; several may live in one process for simulated hosts.

    :param conf: with section ``[agent]``.
    :param server_factory: makes an RPC server of (topic, server, endpoints).
    :param resources: what actions need, e.g. ``vim``.  With ``fleet`` the host is
        simulated: while it is dead the agent hears and says nothing.
    :param context: the service's own request context.
    """

    def __init__(
        self,
        conf: Any,
        host: str,
        publisher: reporting.Publisher,
        beats: facts.Beats,
        server_factory: Callable[[str, str, Sequence[Any]], Any],
        resources: Mapping[str, Any],
        context: Any,
        progress_interval_s: float = 2.0,
    ) -> None:
        options, fleet = conf.agent, resources.get("fleet")
        self.host = host
        self.context = context
        name = f"{host}:{options.instance}"

        def is_cut_off() -> bool:
            return fleet is not None and not fleet.is_alive(host)

        self._state = state.State(options.state_path, host)
        self._reporter = reporting.Reporter(
            publisher, self._state.ledger, is_cut_off=is_cut_off
        )
        board = progress.Board()
        actions = loader.load_classes(options.action_namespace)
        checkpoints = loader.load_classes(options.checkpoint_namespace)
        able = abilities.Abilities(actions, checkpoints, "" if fleet else "/")
        worker = deeds.Deeds(
            actions,
            checkpoints,
            {
                "jobs": self._state.jobs,
                "keep": self._state.kept,
                "progress": board.tell,
                "log_files": options.log_files,
                **resources,
            },
            able.tell,
            loader.load_classes(options.collector_namespace),
        )

        def can_resume(order: commands.RunStep) -> bool:
            return self._state.jobs.can_resume(order) or worker.can_resume(order)

        self._steps = runner.Runner(
            accounts.Teller(host, name, time.time),
            self._state.ledger,
            worker,
            self._reporter,
            can_resume,
            options.max_parallel_steps,
            board,
            self._state.jobs,
        )
        capabilities = tuple(options.capabilities)
        served = [endpoint.Endpoint(self._steps, self._state.release, is_cut_off)]
        self._servers = [
            server_factory(TOPICS[each], host, served) for each in capabilities
        ]
        interval_s = options.heartbeat_interval_s
        packages = _packages(options.watched_packages, host, fleet)
        addresses = facts.AddressFacts(options.virtual_addresses)
        files = local_facts.LocalFacts(options.facts_path)
        tellers = [able.facts]
        if "node" in capabilities:
            tellers += [files.facts, addresses.facts, packages.facts]
        heart = facts.Heart(
            host, name, capabilities, interval_s, beats, tellers, is_cut_off
        )
        self._tickers = [
            ticker.Ticker(f"beat-{host}", interval_s, heart.beat),
            ticker.Ticker(f"progress-{host}", progress_interval_s, self._steps.tick),
        ]

    def start(self) -> None:
        """Finish what an earlier process left, then take orders."""
        self._reporter.start()
        self._steps.resume()
        for each in (*self._servers, *self._tickers):
            each.start()

    def stop(self) -> None:
        """Take no new orders; what runs goes on.  Returns at once."""
        for each in self._servers:
            each.stop()
        self._steps.stop()

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Let steps end and reports leave, then close; False if steps still run.

        Their programs outlive the agent, and the next one collects them.
        """
        is_idle = self._steps.wait(timeout_s)
        for each in self._servers:
            each.wait()
        threads: list[ticker.Ticker | reporting.Reporter]
        threads = [*self._tickers, self._reporter]
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.wait(timeout_s)
        self._state.close()
        return is_idle


def _packages(names: Sequence[str], host: str, fleet: Any) -> facts.PackageFacts:
    if fleet is None:
        return facts.PackageFacts(names, dpkg.read_versions)
    return facts.PackageFacts(
        names, lambda watched: fleet.versions(host, watched), status_path=""
    )
