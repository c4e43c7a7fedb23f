"""What one service may ask of another, with the history of every version."""

import functools
from typing import Any

from oslo_config import cfg
from oslo_versionedobjects import base as ovo

from escalator import context
from escalator.bus import rpc
from escalator.objects import campaign, event, host, notice, order

CONDUCTOR = "conductor"
AGENT = "agent"
VIM_AGENT = "agent.vim"
SCHEDULER = "scheduler"
MONITOR = "monitor"

ALARM_TIMEOUT_S = 2.0
"""Aodh tells one consumer after the other, and waits for each without limit."""

WHAT_IF_TIMEOUT_S = 120.0
"""Some dozens of simulated runs; the largest fleets take a minute."""

Context = context.RequestContext


class ConductorAPI:
    """Campaigns, asked of the conductor.

    Version history:

    * 1.0 - campaign_validate, campaign_plan, campaign_create, campaign_act,
      campaign_explain, host_act, alarm_report, alarm_revoke, notice_resend

    Every method raises what :meth:`escalator.bus.rpc.Client.call` names.  A
    call that timed out may have been carried out: repeat it with the same
    ``request_key``.
    """

    VERSION = "1.0"

    def __init__(self, conf: cfg.ConfigOpts, version_cap: str | None = None) -> None:
        make = functools.partial(
            rpc.Client, conf, CONDUCTOR, self.VERSION, version_cap=version_cap
        )
        usual_s: float = conf.bus.call_timeout_s
        self._client = make()
        self._prompt = make(timeout_s=min(usual_s, ALARM_TIMEOUT_S))
        self._patient = make(timeout_s=max(usual_s, WHAT_IF_TIMEOUT_S))

    def campaign_validate(
        self, ctxt: Context, document: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        """Return ``findings`` and ``summary`` of a campaign file; store nothing."""
        answer: dict[str, Any] = self._client.call(
            ctxt, "1.0", "campaign_validate", document=document, params=params
        )
        return answer

    def campaign_plan(
        self,
        ctxt: Context,
        document: str,
        params: dict[str, Any],
        seed: int,
        what_if: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the forecast of a campaign file; store nothing.

        :raises InvalidInput: the file or the question is refused.
        """
        client = self._client if what_if is None else self._patient
        answer: dict[str, Any] = client.call(
            ctxt,
            "1.0",
            "campaign_plan",
            document=document,
            params=params,
            seed=seed,
            what_if=what_if,
        )
        return answer

    def campaign_create(
        self, ctxt: Context, document: str, params: dict[str, Any], request_key: str
    ) -> campaign.Campaign:
        """Store a campaign; idempotent by ``request_key``.

        :raises InvalidInput: the file is refused; nothing is stored.
        """
        made: campaign.Campaign = self._client.call(
            ctxt,
            "1.0",
            "campaign_create",
            document=document,
            params=params,
            request_key=request_key,
        )
        return made

    def campaign_act(
        self,
        ctxt: Context,
        campaign_id: str,
        action: str,
        arguments: dict[str, Any],
        request_key: str,
    ) -> campaign.Campaign:
        """Move a campaign; idempotent by ``request_key``.

        :param action: preflight, start, pause, resume, commit, rollback, cancel, change
            or approve.
        :raises IllegalMove: the campaign's state does not allow it.
        """
        moved: campaign.Campaign = self._client.call(
            ctxt,
            "1.0",
            "campaign_act",
            campaign_id=campaign_id,
            action=action,
            arguments=arguments,
            request_key=request_key,
        )
        return moved

    def campaign_explain(self, ctxt: Context, campaign_id: str) -> list[dict[str, Any]]:
        """Return host, procedure, step, state, code, reason, remedy of what waits."""
        answer: list[dict[str, Any]] = self._client.call(
            ctxt, "1.0", "campaign_explain", campaign_id=campaign_id
        )
        return answer

    def host_act(
        self, ctxt: Context, name: str, action: str, arguments: dict[str, Any]
    ) -> host.Host:
        """Quarantine or release a host; idempotent.

        :param action: quarantine or release.
        :raises Conflict: the host is down, or a campaign works on it.
        :raises VersionMismatch: the conductor is of an older release.
        """
        kept: host.Host = self._client.call(
            ctxt, "1.0", "host_act", name=name, action=action, arguments=arguments
        )
        return kept

    def alarm_report(self, ctxt: Context, report: event.AlarmReported) -> None:
        """Take a report of an alarm; idempotent by its event, its state or its id.

        :raises NotFound: no alarm has that token, or it is revoked.
        :raises InvalidInput: the token belongs to another alarm of Aodh.
        """
        self._prompt.call(ctxt, "1.0", "alarm_report", report=report)

    def alarm_revoke(self, ctxt: Context, alarm_id: str) -> None:
        """Take no more reports of an alarm, and end its fault; idempotent.

        :raises NotFound: there is none of that id.
        """
        self._client.call(ctxt, "1.0", "alarm_revoke", alarm_id=alarm_id)

    def notice_resend(self, ctxt: Context, notice_id: str) -> notice.NoticeRecord:
        """Have a dead letter sent once more; whoever took it drops a repeat.

        :raises NotFound: there is none of that id.
        :raises Conflict: it was delivered, or nobody can be told any more.
        """
        found: notice.NoticeRecord = self._client.call(
            ctxt, "1.0", "notice_resend", notice_id=notice_id
        )
        return found


class AgentAPI:
    """Orders to agents: casts, whose outcome comes back as a fact.

    Version history:

    * 1.0 - run_step, probe_step, stop_step, release_steps

    An order returns once the broker has it.  It may reach the agent twice,
    or late: step, attempt, fence and deadline tell the agent what to do.

    :raises NobodyListens: that agent never registered with the broker.
    :raises BusUnavailable: the broker did not take it in time.
    """

    VERSION = "1.0"

    def __init__(self, conf: cfg.ConfigOpts, version_cap: str | None = None) -> None:
        self._clients = {
            topic: rpc.Client(conf, topic, self.VERSION, version_cap=version_cap)
            for topic in (AGENT, VIM_AGENT)
        }

    def run_step(self, ctxt: Context, host: str, order: order.StepOrder) -> None:
        """Order one attempt of a step; a ``vim`` step goes to any VIM agent."""
        self._cast(ctxt, host, order.executor, "run_step", order=order)

    def probe_step(self, ctxt: Context, host: str, probe: order.StepProbe) -> None:
        """Ask what became of an attempt; answered by a fact."""
        self._cast(ctxt, host, probe.executor, "probe_step", probe=probe)

    def release_steps(
        self, ctxt: Context, host: str, release: order.StepRelease
    ) -> None:
        """Let the agent forget what it kept for an undo; not answered."""
        self._cast(ctxt, host, release.executor, "release_steps", release=release)

    def stop_step(self, ctxt: Context, host: str, stop: order.StepStop) -> None:
        """Have the programs of an attempt ended; answered by a fact."""
        self._cast(ctxt, host, stop.executor, "stop_step", stop=stop)

    def _cast(
        self, ctxt: Context, host: str, executor: str, method: str, **args: Any
    ) -> None:
        if executor == "vim":
            self._clients[VIM_AGENT].cast(ctxt, None, "1.0", method, **args)
        else:
            self._clients[AGENT].cast(ctxt, host, "1.0", method, **args)


class SchedulerAPI:
    """Conflict-free times, asked of the scheduler.

    Version history:

    * 1.0 - find_times
    """

    VERSION = "1.0"

    def __init__(self, conf: cfg.ConfigOpts, version_cap: str | None = None) -> None:
        self._client = rpc.Client(
            conf, SCHEDULER, self.VERSION, version_cap=version_cap
        )

    def find_times(self, ctxt: Context, request: dict[str, Any]) -> dict[str, Any]:
        """Return start times that the conductor still has to check.

        :raises NoSchedule: there are none.
        """
        answer: dict[str, Any] = self._client.call(
            ctxt, "1.0", "find_times", request=request
        )
        return answer


class MonitorAPI:
    """What another monitor sees, from where it stands.

    Version history:

    * 1.0 - look
    """

    VERSION = "1.0"

    def __init__(self, conf: cfg.ConfigOpts, version_cap: str | None = None) -> None:
        self._client = rpc.Client(
            conf,
            MONITOR,
            self.VERSION,
            version_cap=version_cap,
            timeout_s=conf.monitor.vantage_timeout_s,
        )

    def look(self, ctxt: Context, monitor: str, hosts: list[str]) -> dict[str, bool]:
        """Return whether each host that ``monitor`` watches failed, or a link of it."""
        answer: dict[str, bool] = self._client.call(
            ctxt, "1.0", "look", to_server=monitor, hosts=hosts
        )
        return answer


class Indirection(ovo.VersionedObjectIndirectionAPI):
    """Remotable methods of objects, carried out by the conductor.

    Served on the conductor's topic in a namespace and version of its own.

    Version history:

    * 1.0 - object_action, object_class_action_versions,
      object_backport_versions
    """

    NAMESPACE = "objects"
    VERSION = "1.0"

    def __init__(self, conf: cfg.ConfigOpts, version_cap: str | None = None) -> None:
        self._client = rpc.Client(
            conf, CONDUCTOR, self.VERSION, self.NAMESPACE, version_cap
        )

    def object_action(
        self, context: Any, objinst: Any, objmethod: str, args: Any, kwargs: Any
    ) -> Any:
        """Carry out a method of an instance; return (updates, result)."""
        return self._client.call(
            context,
            "1.0",
            "object_action",
            objinst=objinst,
            objmethod=objmethod,
            args=args,
            kwargs=kwargs,
        )

    def object_class_action_versions(
        self,
        context: Any,
        objname: str,
        objmethod: str,
        object_versions: dict[str, str],
        args: Any,
        kwargs: Any,
    ) -> Any:
        """Carry out a class method; the result is in the versions we know."""
        return self._client.call(
            context,
            "1.0",
            "object_class_action_versions",
            objname=objname,
            objmethod=objmethod,
            object_versions=object_versions,
            args=args,
            kwargs=kwargs,
        )

    def object_backport_versions(
        self, context: Any, objinst: Any, object_versions: dict[str, str]
    ) -> Any:
        """Return an object of a newer release in the versions we know."""
        return self._client.call(
            context,
            "1.0",
            "object_backport_versions",
            objinst=objinst,
            object_versions=object_versions,
        )
