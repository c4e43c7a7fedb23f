"""The agent's process on one host: what comes in, and who deals with it."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from escalator import errors
from escalator.agent import (
    accounts,
    deeds,
    facts,
    jobs,
    journal,
    ledger,
    reporting,
    runner,
    ticker,
)
from escalator.bus import server
from escalator.domain import events
from escalator.drivers import dpkg, loader

LOG = logging.getLogger(__name__)

TOPICS = {"node": "agent", "vim": "agent.vim"}
"""Topic by capability."""


class Beats(Protocol):
    """What the agent needs of ``bus.heartbeat.BeatSender``."""

    def send(self, beat: events.AgentBeat) -> bool: ...


class Endpoint:
    """What the conductor orders of an agent; answered by facts.

    Version history: 1.0 run_step, probe_step.
    """

    target = server.endpoint_target("1.0")

    def __init__(self, steps: runner.Runner, is_cut_off: Callable[[], bool]) -> None:
        self._steps = steps
        self._is_cut_off = is_cut_off

    def run_step(self, ctxt: Any, order: Any) -> None:
        """Take an order (``objects.order.StepOrder``)."""
        if not self._is_cut_off():
            self._steps.order(order.to_domain())

    def probe_step(self, ctxt: Any, probe: Any) -> None:
        """Answer a question (``objects.order.StepProbe``)."""
        if not self._is_cut_off():
            self._steps.probe(probe.to_domain())


class AgentService:
    """One agent; several may live in one process for simulated hosts.

    :param conf: with section ``[agent]``.
    :param beats: sends heartbeats.
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
        beats: Beats,
        server_factory: Callable[[str, str, Sequence[Any]], Any],
        resources: Mapping[str, Any],
        context: Any,
        progress_interval_s: float = 2.0,
    ) -> None:
        options = conf.agent
        self.host = host
        self.context = context
        self._beats = beats
        self._capabilities = tuple(options.capabilities)
        self._interval_s: float = options.heartbeat_interval_s
        self._name = f"{host}:{options.instance}"
        self._fleet = resources.get("fleet")
        self._facts = self._package_facts(options.watched_packages)
        self._journal, self._lock = _open_journal(options.state_path, host)
        book = ledger.Ledger(self._journal)
        work = jobs.Jobs(os.path.join(options.state_path, host, "jobs"))
        work.forget_all_but(book.step_ids())
        self._reporter = reporting.Reporter(
            publisher, book, is_cut_off=self._is_cut_off
        )
        self._steps = runner.Runner(
            accounts.Teller(host, self._name, time.time),
            book,
            deeds.Deeds(
                loader.load_classes(options.action_namespace),
                loader.load_classes(options.checkpoint_namespace),
                {"jobs": work, **resources},
            ),
            self._reporter,
            work.can_resume,
            options.max_parallel_steps,
        )
        endpoint = Endpoint(self._steps, self._is_cut_off)
        self._servers = [
            server_factory(TOPICS[each], host, [endpoint])
            for each in self._capabilities
        ]
        self._tickers = [
            ticker.Ticker(f"beat-{host}", self._interval_s, self._beat),
            ticker.Ticker(f"progress-{host}", progress_interval_s, self._steps.tick),
        ]

    def start(self) -> None:
        """Finish what an earlier process left, then take orders."""
        self._reporter.start()
        self._steps.resume()
        for each in (*self._servers, *self._tickers):
            each.start()

    def stop(self) -> None:
        """Take no new orders; what runs on goes on.  Returns at once."""
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
        for each in (*self._tickers, self._reporter):
            each.stop()
            each.wait(timeout_s)
        self._journal.close()
        os.close(self._lock)
        return is_idle

    def _beat(self) -> None:
        if self._is_cut_off():
            return
        beat = events.AgentBeat(
            host=self.host,
            agent=self._name,
            capabilities=self._capabilities,
            facts=self._facts.facts() if "node" in self._capabilities else {},
            sent_at=time.time(),
            interval_s=self._interval_s,
        )
        self._beats.send(beat)

    def _is_cut_off(self) -> bool:
        return self._fleet is not None and not self._fleet.is_alive(self.host)

    def _package_facts(self, names: Sequence[str]) -> facts.PackageFacts:
        if self._fleet is None:
            return facts.PackageFacts(names, dpkg.read_versions)
        fleet = self._fleet
        return facts.PackageFacts(
            names, lambda watched: fleet.versions(self.host, watched), status_path=""
        )


def _open_journal(state_path: str, host: str) -> tuple[journal.Journal, int]:
    """Open the journal of ``host`` for this process alone.

    :raises ConfigError: another process has it, or it cannot be made.
    """
    directory = os.path.join(state_path, host)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return journal.Journal(os.path.join(directory, "journal")), lock
    except OSError as error:
        raise errors.ConfigError(
            group="agent",
            option="state_path",
            reason=f"{directory} cannot be used, or another agent uses it: {error}",
        ) from error
