"""One mutation of the golden file for every rule (P-4)."""

import copy
import dataclasses
import re
import unittest
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import change_window, finding, lints
from escalator.domain.plan import Target
from tests.fixtures import campaigns

Document = dict[str, Any]
Change = Callable[[Document], object]

FLEET = campaigns.fleet()
NOW = change_window.moment("2026-11-22T00:00:00Z").timestamp()
GOLDEN: Document = yaml.safe_load(campaigns.golden())


def _golden() -> Document:
    return copy.deepcopy(GOLDEN)


def _put(*path: Any) -> Change:
    """Return the change that writes the last of ``path`` at the others."""

    def change(document: Document) -> None:
        node: Any = document
        for part in path[:-2]:
            node = node[part]
        node[path[-2]] = path[-1]

    return change


def _cut(*path: Any) -> Change:
    def change(document: Document) -> None:
        node: Any = document
        for part in path[:-1]:
            node = node[part]
        del node[path[-1]]

    return change


def _more(change: dict[str, Any]) -> Change:
    """Return the change that adds a second procedure, altered by ``change``."""

    def add(document: Document) -> None:
        copied = copy.deepcopy(document["procedures"][0])
        document["procedures"].append({**copied, "id": "second", **change})

    return add


def _limit(**limit: Any) -> Change:
    """Return the change that gives the first budget another limit."""

    def change(document: Document) -> None:
        first = document["budgets"][0]
        document["budgets"][0] = {"id": first["id"], "scope": first["scope"], **limit}

    return change


def _stages(*stages: Any) -> Change:
    """Return the change that gives the first procedure stages."""
    return lambda document: document["procedures"][0].update(stages=list(stages))


SINGLE = {"start": "2026-12-01T22:00:00Z", "end": "2026-12-02T22:00:00Z"}
WEEKLY = {"days": ["mon"], "from": "23:00", "to": "05:30", "tz": "Europe/Madrid"}


def _windows(*windows: dict[str, Any]) -> Change:
    """Return the change that gives the campaign change windows."""

    def change(document: Document) -> None:
        rows = [{"id": f"w{at}", **each} for at, each in enumerate(windows)]
        document["schedule"] = {"windows": copy.deepcopy(rows)}

    return change


def _both(*changes: Change) -> Change:
    """Return the change that makes several ones."""

    def change(document: Document) -> None:
        for each in changes:
            each(document)

    return change


def _long(document: Document) -> None:
    """Let a step take long."""
    document["procedures"][0]["steps"][3].update(expected="10m", timeout="1h")


def _scaling(*actions: str, at: int = 0, **params: str) -> Change:
    """Return the change that ends a procedure with steps that hold or release."""

    def change(document: Document) -> None:
        for action in actions:
            step = {"id": action, "action": f"scaling.{action}", "with": params}
            step |= {"expected": "1s", "timeout": "9s"}
            document["procedures"][at]["steps"].append(step)

    return change


def _held(document: Document) -> None:
    """Hold scaling before the procedure, and release it after."""
    document["recovery"] |= {"paging": [{"try": "page"}]}
    document["recovery"] |= {"partial": [{"try": "rollback", "scope": "procedure"}]}
    for level, action in ((0, "hold"), (90, "release")):
        step = {"id": action, "action": f"scaling.{action}"}
        document["procedures"].append(
            {
                "id": action,
                "level": level,
                "select": "computes",
                "method": "single_step",
                "on_failure": "paging",
                "steps": [step | {"expected": "1s", "timeout": "9s"}],
            }
        )


P = ("procedures", 0)
STEP = (*P, "steps")
CHECKPOINT, CORDON, DRAIN, INSTALL, VERIFY = ((*STEP, n) for n in range(5))
MATCH = ("selectors", "computes", "match")
LADDER = ("recovery", "node-ladder")
RELEASING = ("procedures", 2, "on_failure")
WHOLE = _put(*LADDER, -1, "scope", "campaign")
"""A rollback of the campaign ends the ladder."""

OTHER = "0b6f2c9e-5d0e-4a61-9a57-3e1f0f6f7c11"
"""Another campaign's id."""
TOO_SOON = "5s + 5s * instances"
"""Below the 10 s that are expected, on a host without instances only."""
TOO_LATE = "5s + 2s * instances"
"""Above the timeout of 120 s, on a host with 100 instances only."""

SUBPLAN: Document = {
    "params": {**GOLDEN["params"], "many": {"type": "int", "default": 2}},
    "procedures": [{**GOLDEN["procedures"][0], "id": "inner", "parallel": "${many}"}],
}


def _use(name: str, **more: Any) -> Document:
    return {"id": f"use-{name}", "subplan": name, "level": 20, **more}


def _with_subplans(used: str = "plain", **subplans: Any) -> Change:
    """Return the change that adds sub-plans, and uses one."""

    def change(document: Document) -> None:
        document["subplans"] = {**subplans}
        if used != "one":
            document["subplans"]["plain"] = copy.deepcopy(SUBPLAN)
        document["procedures"].append(_use(used))

    return change


def _within(*uses: Document) -> Document:
    return {"procedures": list(uses)}


U = ("procedures", 1)
INNER = ("subplans", "plain", "procedures", 0)


def _with_artifacts(
    *artifacts: Document, compatibility: tuple[Document, ...] = (), **procedure: Any
) -> Change:
    def change(document: Document) -> None:
        document["artifacts"] = list(artifacts)
        document["compatibility"] = list(compatibility)
        names = [each["name"] for each in artifacts if "replaces" in each]
        document["procedures"][0].update({"brings": names, **procedure})

    return change


def _module(name: str, **more: Any) -> Document:
    return {"name": name, "version": "2", "replaces": "1", **more}


AGENT, SERVER = _module("agent"), _module("server")
APART = ({"agent": ["1"]}, {"agent": ["2"]})
WORLD = ("procedures", 0, "method", "parallel_universe")

DISK = "/preflight/checks/disk/remediate"


def _mend(check: str, action: str) -> Document:
    known = {"package": {"packages": {"a": "1"}}, "vim": {}}
    params = known.get(action.partition(".")[0], {"command": "clean"})
    remedy = {"action": action, "with": params, "timeout": "5m"}
    return {"checks": {check: {"remediate": remedy}}}


MUTATIONS: dict[str, list[tuple[str, Change]]] = {
    "C301": [],  # what is given is no part of the file: test_reading
    "C302": [("/params/version", _cut("params", "version", "default"))],
    "C303": [("/params/version/default", _put("params", "version", "default", 2.0))],
    "C304": [
        (
            "/verify/smoke/with/packages/demo-service",
            _put("verify", "smoke", "with", "packages", "demo-service", "${version"),
        ),
        (
            "/verify/smoke/with/packages/${version}",
            _put("verify", "smoke", "with", "packages", "${version}", "1"),
        ),
        (
            "/subplans/plain/procedures/0/parallel",
            _both(_with_subplans(), _put(*INNER, "parallel", "${}")),
        ),
    ],
    "C401": [
        ("/selectors/computes/match/tag", _put(*MATCH, "tag", "compute-07")),
        ("/selectors/computes/match/rack/1", _put(*MATCH, "rack", ["R1", "COMPUTE-7"])),
        ("/selectors/computes/match/name", _put(*MATCH, "name", "x")),
        ("/selectors/computes/match/facts.fqdn", _put(*MATCH, "facts.fqdn", "x")),
        (
            "/selectors/computes/order_by/0/fact",
            _put("selectors", "computes", "order_by", 0, "fact", "hostname"),
        ),
        (
            "/procedures/0/steps/3/with/packages/demo-service",
            _put(*INSTALL, "with", "packages", "demo-service", "get compute-03.lab:1"),
        ),
        (
            "/verify/smoke/with/compute-99",
            _put("verify", "smoke", "with", "compute-99", 1),
        ),
        ("/params/version/default", _put("params", "version", "default", "compute-11")),
    ],
    "C402": [
        ("/procedures/0/select", _put(*P, "select", "stores")),
        ("/procedures/0/budgets/1", _put(*P, "budgets", 1, "row")),
        ("/procedures/0/steps/0/checkpoint", _put(*CHECKPOINT, "checkpoint", "cp-x")),
        ("/procedures/0/steps/4/verify", _put(*VERIFY, "verify", "full")),
        ("/procedures/0/on_failure", _put(*P, "on_failure", "other-ladder")),
        ("/procedures/0/on_failure", _put(*P, "on_failure", "on_fault")),
        ("/procedures/0/after", _put(*P, "after", "earlier")),
        ("/procedures/0/after/0", _put(*P, "after", ["earlier"])),
        (
            "/procedures/0/steps/3/with/packages/demo-service",
            _put(*INSTALL, "with", "packages", "demo-service", "${release}"),
        ),
        ("/procedures/0/parallel", _put(*P, "parallel", "${many}")),
        (
            "/procedures/2/subplan",
            _both(
                _with_subplans(),
                lambda document: document["procedures"].append(_use("plan")),
            ),
        ),
        (
            "/procedures/1/budgets/0",
            _both(_with_subplans(), _put(*U, "budgets", ["row"])),
        ),
        (
            "/subplans/plain/procedures/0/steps/4/verify",
            _both(_with_subplans(), _put(*INNER, "steps", 4, "verify", "full")),
        ),
        (
            "/subplans/plain/procedures/0/after/0",
            _both(_with_subplans(), _put(*INNER, "after", ["computes"])),
        ),
        (
            "/subplans/plain/procedures/0/parallel",
            _both(_with_subplans(), _put(*INNER, "parallel", "${release}")),
        ),
        ("/artifacts/0/needs/0", _with_artifacts(_module("agent", needs=["rpc"]))),
        (
            "/compatibility/0/rpc",
            _with_artifacts(AGENT, compatibility=({"rpc": ["1"]},)),
        ),
        ("/procedures/0/brings/0", _put(*P, "brings", ["agent"])),
    ],
    "C403": [
        ("/procedures/0/steps/1/id", _put(*CORDON, "id", "checkpoint")),
        (
            "/budgets/3/id",
            lambda document: document["budgets"].append(document["budgets"][0]),
        ),
        ("/procedures/1/id", _more({"id": "computes", "level": 20})),
        (
            "/subplans/plain/budgets/1/id",
            _both(
                _with_subplans(),
                _put("subplans", "plain", "budgets", [GOLDEN["budgets"][0]] * 2),
            ),
        ),
        ("/artifacts/1/name", _with_artifacts(AGENT, AGENT)),
        (
            "/procedures/0/stages/1/id",
            _stages({"id": "a", "take": 1}, {"id": "a", "take": 1}),
        ),
    ],
    "C404": [
        (f"{DISK}/action", _put("preflight", _mend("disk", "cache.clean"))),
        ("/procedures/0/steps/3/action", _put(*INSTALL, "action", "package.add")),
        ("/verify/smoke/action", _put("verify", "smoke", "action", "smoke.run")),
        ("/checkpoints/0/driver", _put("checkpoints", 0, "driver", "snapshot")),
    ],
    "C405": [
        ("/selectors/computes/match/roles", _put(*MATCH, "roles", "compute")),
        ("/budgets/1/scope/by", _put("budgets", 1, "scope", "by", "row")),
        ("/budgets/1/scope/by", _put("budgets", 1, "scope", "by", "name")),
        ("/budgets/1/scope/by", _put("budgets", 1, "scope", "by", "project")),
        ("/budgets/1/scope/by", _put("budgets", 1, "scope", "by", "server_group")),
        ("/selectors/computes/match/instance", _put(*MATCH, "instance", "db-1")),
        ("/budgets/0/headroom/of", _limit(headroom={"of": "vcpus", "keep": 0})),
        (
            "/budgets/0/headroom/used",
            _limit(headroom={"of": "hosts", "used": "load", "keep": 1}),
        ),
    ],
    "C501": [
        ("/procedures/0/after", _put(*P, "after", ["computes"])),
        (
            "/procedures/0/after",
            _both(_more({"after": ["computes"]}), _put(*P, "after", ["second"])),
        ),
        (
            "/procedures/0/after",
            _both(_more({"level": 20}), _put(*P, "after", ["second"])),
        ),
    ],
    "C502": [
        ("/procedures/0/parallel", _put(*P, "parallel", 0)),
        ("/procedures/0/parallel", _put(*P, "parallel", "0%")),
    ],
    "C503": [("/procedures/1", _more({}))],
    "C504": [
        (
            "/subplans/two/procedures/0",
            _with_subplans("one", one=_within(_use("two")), two=_within(_use("one"))),
        ),
        (
            "/subplans/one/procedures/0",
            _with_subplans("one", one=_within(_use("one"))),
        ),
        (
            "/subplans/two/procedures/0",
            _with_subplans(one=_within(_use("two")), two=_within(_use("one"))),
        ),
    ],
    "C505": [
        (
            "/subplans/s8/procedures/0",
            _with_subplans(
                "s1",
                **{f"s{n}": _within(_use(f"s{n + 1}")) for n in range(1, 9)},
                s9=_within(_use("plain")),
            ),
        ),
        (
            "/subplans/plain/procedures/0",
            _with_subplans(
                "many",
                many=_within(*(_use("ten", id=f"u{n}", level=n) for n in range(21))),
                ten=_within(*(_use("plain", id=f"u{n}", level=n) for n in range(10))),
            ),
        ),
    ],
    "C506": [("/subplans/spare", _with_subplans(spare=copy.deepcopy(SUBPLAN)))],
    "C507": [
        ("/procedures/0/visit", _put(*P, "visit", "shared")),
        (
            "/procedures/1/visit",
            _both(_put(*P, "visit", "shared"), _more({"visit": "shared", "level": 20})),
        ),
    ],
    "C601": [
        ("/procedures/0/steps/4", _put(*VERIFY, "action", "package.verify")),
        ("/procedures/0/steps/4", _cut(*VERIFY, "verify")),
    ],
    "C602": [
        ("/procedures/0/steps/3", _cut(*INSTALL, "expected")),
        ("/procedures/0/steps/0", _cut(*CHECKPOINT, "timeout")),
    ],
    "C603": [
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", "2 minutes")),
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", 0)),
        ("/recovery/node-ladder/0/backoff", _put(*LADDER, 0, "backoff", -1)),
        ("/finish/soak", _put("finish", "soak", "1:30")),
        (
            "/finish/attribution/history",
            _put("finish", "attribution", {"history": "a week"}),
        ),
        ("/finish/commit_after", _put("finish", "commit_after", "1:30")),
        ("/procedures/0/steps/3/progress", _put(*INSTALL, "progress", "soon")),
        (
            "/procedures/0/stages/0/gate/wait",
            _stages({"id": "a", "take": 1, "gate": {"wait": "soon"}}),
        ),
    ],
    "C604": [
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", "9s")),
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", TOO_SOON)),
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "expected", TOO_LATE)),
    ],
    "C605": [("/procedures/0/steps/2", _cut(*DRAIN, "undo"))],
    "C606": [("/procedures/0/steps/3", _cut(*INSTALL, "idempotent"))],
    "C607": [
        ("/procedures/0/steps/3/undo", _put(*INSTALL, "undo", "package.remove")),
        ("/procedures/0/steps/3/undo", _put(*INSTALL, "undo", "package_manifest")),
    ],
    "C608": [
        ("/verify/smoke/action", _put("verify", "smoke", "action", "package.install")),
        ("/checkpoints/0/driver", _put("checkpoints", 0, "driver", "package.verify")),
        ("/procedures/0/steps/3/action", _put(*INSTALL, "action", "package_manifest")),
    ],
    "C609": [
        ("/procedures/0/steps/2", _cut(*CHECKPOINT)),
        (
            "/procedures/0/steps/0",
            _put(*STEP, 0, {"id": "checkpoint", "checkpoint": "waived"}),
        ),
        (
            "/procedures/0/steps/2",
            lambda document: document["procedures"][0]["steps"].append(
                document["procedures"][0]["steps"].pop(0)
            ),
        ),
    ],
    "C610": [("/procedures/0/steps/1", _cut(*CORDON))],
    "C612": [
        ("/procedures/0/steps/2/on_pause", _put(*DRAIN, "on_pause", "stop")),
        (
            "/procedures/0/steps/3/on_pause",
            _both(
                _put(*INSTALL, "on_pause", "stop"),
                _put(*INSTALL, "idempotent", "never"),
            ),
        ),
    ],
    "C613": [
        ("/procedures/0/steps/3/progress", _put(*INSTALL, "progress", "2h")),
        (
            "/procedures/0/steps/3/progress",
            _both(
                _put(*INSTALL, "progress", "1m"),
                _put(*INSTALL, "timeout", "30s + 40s * instances"),
            ),
        ),
    ],
    "C614": [
        ("/procedures/0/steps/1/progress", _put(*CORDON, "progress", "1s")),
        ("/procedures/0/steps/0/progress", _put(*CHECKPOINT, "progress", "1s")),
    ],
    "C615": [
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", "30s + 20")),
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", "1m * guests")),
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", "max(1m, 2")),
        ("/procedures/0/steps/3/timeout", _put(*INSTALL, "timeout", "1m * instances")),
        ("/procedures/0/steps/3/expected", _put(*INSTALL, "expected", "3 * instances")),
        ("/procedures/0/steps/3/expected", _put(*INSTALL, "expected", "9s - 10s")),
        (
            "/procedures/0/steps/0/expected",
            _put(*CHECKPOINT, "expected", "1m - 1s * instances"),
        ),
    ],
    "C616": [
        ("/procedures/0/steps/6", _scaling("hold")),
        ("/procedures/0/steps/7", _scaling("release", "hold")),
    ],
    "C617": [
        ("/procedures/0/on_failure", _held),
        ("/procedures/0/on_failure", _both(_held, _cut(*LADDER, -1, "scope"))),
        ("/procedures/2/on_failure", _both(_held, WHOLE, _put(*RELEASING, "partial"))),
        (
            "/recovery/on_fault/scope",
            _both(_held, WHOLE, _put("recovery", "on_fault", "scope", "procedure")),
        ),
    ],
    "C701": [
        ("/budgets/0/max_down", _put("budgets", 0, "max_down", 0)),
        ("/budgets/1/max_down", _put("budgets", 1, "max_down", "0%")),
        ("/budgets/0/max_migrations", _limit(max_migrations=0)),
    ],
    "C711": [
        ("/budgets/0", _cut("budgets", 0, "max_down")),
        ("/budgets/1", _put("budgets", 1, "quorum", "majority")),
        ("/budgets/0", _put("budgets", 0, "scope", "owner")),
    ],
    "C712": [
        ("/budgets/0", _limit(quorum=12)),
        ("/budgets/0", _limit(headroom={"of": "hosts", "keep": 12})),
        ("/budgets/0", _limit(headroom={"of": "facts.vcpus", "keep": 1})),
    ],
    "C721": [
        ("/procedures/0/stages/0/take", _stages({"id": "canary", "take": 0})),
        ("/procedures/0/stages/0/take", _stages({"id": "canary", "take": "0%"})),
    ],
    "C722": [
        (
            "/procedures/0/stages/1",
            _stages({"id": "a", "take": 2}, {"id": "b", "take": 10}),
        )
    ],
    "C741": [
        ("/schedule/windows/0", _windows({})),
        ("/schedule/windows/0", _windows({**SINGLE, "days": ["mon"]})),
        ("/schedule/windows/0/end", _windows({**SINGLE, "end": "2026-12-32T00:00Z"})),
        ("/schedule/windows/0/start", _windows({**SINGLE, "start": "2026-12-01"})),
        ("/schedule/windows/0/to", _windows({**WEEKLY, "to": "25:00"})),
        ("/schedule/windows/0/from", _windows({**WEEKLY, "from": "22:00Z"})),
        ("/schedule/windows/0/from", _windows({**WEEKLY, "from": "2230"})),
        ("/schedule/windows/0/to", _windows({**WEEKLY, "to": "05:30:30"})),
    ],
    "C742": [
        ("/schedule/windows/0/end", _windows({**SINGLE, "end": SINGLE["start"]})),
        (
            "/schedule/windows/0/end",
            _windows({**SINGLE, "end": "2026-12-01T22:59+02:00"}),
        ),
        ("/schedule/windows/0/to", _windows({**WEEKLY, "to": "23:00"})),
    ],
    "C743": [
        ("/schedule/windows/0/tz", _windows({**WEEKLY, "tz": "Europe/Atlantis"})),
        ("/schedule/windows/0/tz", _windows({**WEEKLY, "tz": "../../etc/passwd"})),
        ("/schedule/windows/0/tz", _windows({**WEEKLY, "tz": "Europe"})),
    ],
    "C744": [
        (
            "/schedule/windows/1",
            _windows(SINGLE, {**SINGLE, "end": "2027-01-01T00:00Z"}),
        ),
        (
            "/schedule/windows/1",
            _windows(WEEKLY, {**WEEKLY, "from": "04:00", "days": ["tue"]}),
        ),
        ("/schedule/windows/1", _windows(SINGLE, {**WEEKLY, "days": ["tue"]})),
        ("/schedule/windows/1", _windows(WEEKLY, {**WEEKLY, "tz": "UTC"})),
    ],
    "C745": [
        (
            "/schedule/windows",
            _windows({"start": "2026-11-20T22:00Z", "end": "2026-11-22T00:00Z"}),
        )
    ],
    "C746": [
        ("/schedule/windows", _windows({**SINGLE, "end": "2026-12-01T22:00:10Z"})),
        ("/schedule/windows", _both(_windows({**WEEKLY, "to": "23:01"}), _long)),
    ],
    "C747": [
        (
            "/schedule/windows/1",
            _both(_windows(SINGLE, {**WEEKLY, "to": "23:01"}), _long),
        ),
    ],
    "C703": [("/procedures/0", _put(*P, "budgets", []))],
    "C705": [
        (
            "/procedures/0/budgets",
            _both(
                _put(*P, "method", "single_step"),
                _put("metadata", "smoothness", "disruptive"),
            ),
        )
    ],
    "C731": [
        (
            "/procedures/0/select",
            _both(_put(*P, "method", "single_step"), _put(*P, "budgets", [])),
        )
    ],
    "C901": [
        (
            "/artifacts/0/needs",
            _with_artifacts(
                _module("agent", needs=["rpc"], provides=["client"]),
                _module("server", needs=["client"], provides=["rpc"]),
            ),
        )
    ],
    "C902": [
        (
            "/artifacts/1/version",
            _with_artifacts(
                {"name": "agent", "version": "1"},
                SERVER,
                compatibility=({"agent": "1", "server": ["1"]},),
            ),
        ),
    ],
    "C903": [
        (
            "/procedures/0",
            _both(
                _with_artifacts(_module("agent", needs=["server"]), SERVER),
                _put(*P, "brings", ["agent"]),
                _more({"level": 20, "brings": ["server"]}),
            ),
        ),
    ],
    "C904": [
        ("/procedures/0/method", _with_artifacts(AGENT, compatibility=APART)),
    ],
    "C905": [
        ("/procedures/0", _cut(*P, "method")),
        ("/procedures/0", _both(_with_artifacts(AGENT), _cut(*P, "method"))),
    ],
    "C906": [("/procedures/0", _put(*WORLD))],
    "C907": [("/artifacts/0", _with_artifacts(AGENT, brings=[]))],
    "C908": [("/procedures/0/retire", _put(*P, "retire", []))],
    "C704": [("/procedures/0/select", _put(*MATCH, "rack", "R9"))],
    "C801": [("/recovery/node-ladder", _cut(*LADDER, 2))],
    "C802": [("/procedures/0/on_failure", _put(*LADDER, 2, "classes", ["permanent"]))],
    "C811": [
        (
            "/finish/commit_after",
            _put("finish", {"commit": "auto", "commit_after": "1d"}),
        )
    ],
    "C812": [
        (
            "/procedures/0/rehearse_undo",
            _both(
                _put(*P, "rehearse_undo", True),
                _put(
                    *STEP, 0, {"id": "none", "checkpoint": "waived", "reason": "a lab"}
                ),
            ),
        )
    ],
    "C813": [
        (
            "/procedures/0/on_failure",
            _both(
                _put(*LADDER, 1, "try", "restore"),
                _put(
                    *STEP, 0, {"id": "none", "checkpoint": "waived", "reason": "a lab"}
                ),
            ),
        ),
    ],
    "C814": [
        (
            "/checkpoints/0/driver",
            _both(
                _put(*LADDER, 1, "try", "restore"),
                _put("checkpoints", 0, "driver", "picture"),
            ),
        ),
        (
            "/checkpoints/0/driver",
            _both(_put(*LADDER, 1, "try", "restore"), _cut(*INSTALL)),
        ),
    ],
    "C821": [
        (f"{DISK}/action", _put("preflight", _mend("disk", action)))
        for action in (
            "package.install",
            "package.verify",
            "vim.drain",
            "host.reboot",
        )
    ],
    "C822": [
        (
            "/preflight/checks/health/remediate",
            _put("preflight", _mend("health", "command.run")),
        )
    ],
    "C823": [
        (
            "/preflight/limits/logs",
            _put(
                "preflight",
                {
                    "checks": {"statistics": "report"},
                    "limits": {"statistics": {"a": 1}, "logs": {"file_errors": 0}},
                },
            ),
        )
    ],
    "C803": [("/recovery/node-ladder/2", _put(*LADDER, 1, "try", "quarantine"))],
}


def _check(
    document: Document, targets: list[Target] | None = None
) -> tuple[finding.Finding, ...]:
    fleet = FLEET if targets is None else targets
    return lints.check(document, {}, campaigns.CATALOGUE, fleet, NOW)


class MutationTest(unittest.TestCase):
    def test_the_golden_file_has_no_finding(self) -> None:
        self.assertEqual((), _check(_golden()))

    def test_every_mutation_is_caught_by_its_rule_alone(self) -> None:
        """P-4: the rule, the place and nothing else."""
        for rule, mutations in MUTATIONS.items():
            for pointer, change in mutations:
                with self.subTest(rule=rule, pointer=pointer):
                    document = _golden()
                    change(document)
                    found = _check(document)
                    expected = [(rule, pointer)]
                    self.assertEqual(
                        expected, [(each.rule, each.pointer) for each in found]
                    )
                    self.assertTrue(found[0].detail and found[0].remedy)

    def test_every_documented_rule_has_a_mutation(self) -> None:
        documented = set(re.findall(r"^(C\d\d\d)  ", lints.__doc__ or "", re.M))
        of_the_text = {"C101", "C102", "C103", "C104"}
        of_the_schema = {"C201", "C202", "C203", "C204", "C611"}
        elsewhere = of_the_text | of_the_schema
        fleet_only = {"C702", "C706"}
        elsewhere |= {"C748"}  # Of a plan that is played: see test_simulation.
        self.assertEqual(documented - elsewhere - fleet_only, set(MUTATIONS))

    def test_warnings_do_not_refuse(self) -> None:
        for rule, mutations in MUTATIONS.items():
            for _, change in mutations:
                document = _golden()
                change(document)
                is_error = lints.has_errors(_check(document))
                is_warning = rule in (
                    "C506",
                    "C507",
                    "C617",
                    "C703",
                    "C704",
                    "C705",
                    "C722",
                    "C747",
                    "C908",
                    "C803",
                )
                self.assertNotEqual(is_warning, is_error, rule)


class DetailTest(unittest.TestCase):
    def test_the_cycle_is_printed(self) -> None:
        """P-1a"""
        document = _golden()
        _more({"after": ["computes"]})(document)
        document["procedures"][0]["after"] = ["second"]
        (found,) = _check(document)
        self.assertIn("computes -> second -> computes", found.detail)

    def test_installed_actions_are_told(self) -> None:
        document = _golden()
        document["procedures"][0]["steps"][3]["action"] = "package.add"
        (found,) = _check(document)
        self.assertIn("package.install", found.remedy)
        self.assertNotIn("package_manifest", found.remedy)

    def test_a_restore_rung_that_can_be_taken(self) -> None:
        """R-1: a checkpoint first, by a driver that covers what is changed."""
        document = _golden()
        document["recovery"]["node-ladder"][1]["try"] = "restore"
        self.assertEqual((), _check(document))

    def test_what_a_driver_covers_is_told(self) -> None:
        (found,) = self.changed(MUTATIONS["C814"][0][1])
        self.assertIn("picture cannot put back", found.detail)
        (found,) = self.changed(MUTATIONS["C814"][1][1])
        self.assertIn("puts back what package.install changed", found.detail)

    def changed(self, change: Change) -> tuple[finding.Finding, ...]:
        document = _golden()
        change(document)
        return _check(document)

    def test_missing_classes_are_told(self) -> None:
        document = _golden()
        document["recovery"]["node-ladder"][2]["classes"] = ["permanent", "transient"]
        (found,) = _check(document)
        self.assertIn("timeout, verification", found.detail)

    def test_what_the_action_declares_need_not_be_said(self) -> None:
        document = _golden()
        for rule in ("C605", "C606"):
            MUTATIONS[rule][0][1](document)
        catalogue = dict(campaigns.CATALOGUE)
        for name, undo in (
            ("vim.drain", "none_needed"),
            ("package.install", "package.restore"),
        ):
            catalogue[name] = dataclasses.replace(
                catalogue[name], idempotence="natural", undo=undo
            )
        self.assertEqual((), lints.check_document(document, {}, catalogue, FLEET))
        del catalogue["package.restore"]
        MUTATIONS["C607"][0][1](document)
        document["procedures"][0]["steps"][3].pop("undo")
        found = lints.check_document(document, {}, catalogue, FLEET)
        self.assertEqual(["C605"], [each.rule for each in found])

    def test_several_faults_are_found_at_once(self) -> None:
        document = _golden()
        for rule in ("C604", "C605", "C701", "C801"):
            MUTATIONS[rule][0][1](document)
        rules = {each.rule for each in _check(document)}
        self.assertEqual({"C604", "C605", "C701", "C801"}, rules)


class InstancesTest(unittest.TestCase):
    """A visit is as long as the instances of its host make it (P-4e, CM-1)."""

    def told(self, *instances: int) -> list[str]:
        document = _golden()
        _windows({**SINGLE, "end": "2026-12-01T23:00:00Z"}, WEEKLY)(document)
        document["procedures"][0]["steps"][2].update(
            expected="1m * instances", timeout="1m + 2m * instances"
        )
        fleet = campaigns.fleet()[: len(instances)]
        found = _check(
            document,
            [
                dataclasses.replace(each, instances=count)
                for each, count in zip(fleet, instances, strict=True)
            ],
        )
        wrong = [each for each in found if each.rule in ("C746", "C747")]
        return [f"{each.rule} {each.pointer}: {each.detail}" for each in wrong]

    def test_a_window_for_all(self) -> None:
        self.assertEqual([], self.told(2, 30))

    def test_a_window_for_some(self) -> None:
        (found,) = self.told(2, 60)
        self.assertIn("C747 /schedule/windows/0: a visit of computes may take", found)
        self.assertIn("w0 is only 3600 s long", found)

    def test_a_window_for_nobody(self) -> None:
        (found,) = self.told(500, 600)
        self.assertIn("C746 /schedule/windows: a visit of computes may take", found)

    def test_where_hosts_are_at_odds_is_told(self) -> None:
        document = _golden()
        MUTATIONS["C604"][2][1](document)
        (found,) = _check(document)
        self.assertEqual(
            "timeout 120s is below expected 5s + 2s * instances on a host with 100"
            " instances",
            found.detail,
        )


class HostNameTest(unittest.TestCase):
    def test_a_value_that_a_fact_has_is_no_host_name(self) -> None:
        """A host named like its role does not make the role forbidden."""
        fleet = [Target("compute", role="compute"), Target("R7", "compute", "R1")]
        self.assertEqual((), _check(_golden(), fleet))

    def test_submitted_values_are_looked_at_too(self) -> None:
        found = lints.check(
            _golden(), {"version": "compute-01"}, campaigns.CATALOGUE, FLEET
        )
        self.assertEqual(
            [("C401", "/params/version")], [(each.rule, each.pointer) for each in found]
        )

    def test_without_an_inventory_only_the_fact_shows(self) -> None:
        document = _golden()
        document["selectors"]["computes"]["match"]["tag"] = "compute-07"
        found = lints.check(document, {}, campaigns.CATALOGUE, None)
        self.assertEqual((), found)

    def test_versions_are_no_host_names(self) -> None:
        fleet = [*FLEET, Target("2"), Target("v1")]
        self.assertEqual((), _check(_golden(), fleet))


class FleetTest(unittest.TestCase):
    def test_a_used_up_budget_is_a_warning(self) -> None:
        fleet = campaigns.fleet(12)
        fleet[:2] = campaigns.fleet(2, is_up=False)
        found = _check(_golden(), fleet)
        self.assertEqual(
            [("C702", "/procedures/0/budgets", "warning")],
            [(each.rule, each.pointer, each.severity) for each in found],
        )
        self.assertIn("rack R1 2/2", found[0].detail)

    def test_agents_that_lack_an_action_are_told_before_the_start(self) -> None:
        """V-4: the preflight would refuse them; an agent that told nothing may."""
        known = {name: each.version for name, each in campaigns.CATALOGUE.items()}
        self.assertEqual((), _check(_golden(), self.told(known)))
        del known["package.restore"]
        found = _check(_golden(), self.told({**known, "package.install": "other"}))
        self.assertEqual(
            [("C706", "/procedures/0/steps", "warning")],
            [(each.rule, each.pointer, each.severity) for each in found],
        )
        self.assertIn("does not have package.restore (and 3 more)", found[0].detail)

    def told(self, actions: dict[str, str]) -> list[Target]:
        fleet = campaigns.fleet(12)
        fleet[:2] = campaigns.fleet(2, facts={"actions": actions})
        return fleet

    def test_ordered_or_separate_procedures_may_stand_together(self) -> None:
        for change in ({"level": 20}, {"after": ["computes"]}):
            document = _golden()
            _more(change)(document)
            self.assertEqual((), _check(document))
        document = _golden()
        document["selectors"]["r1"] = {"match": {"rack": "R1"}}
        document["selectors"]["computes"]["exclude"].append({"rack": "R1"})
        _more({"select": "r1"})(document)
        self.assertEqual((), _check(document))

    def test_scaling_that_a_later_step_releases(self) -> None:
        """S-7: of the same procedure, a later one, or with its own holder."""
        cases = {
            "same": [_scaling("hold", "release")],
            "level": [
                WHOLE,
                _more({"level": 20}),
                _scaling("hold"),
                _scaling("release", at=1),
            ],
            "after": [
                WHOLE,
                _more({"after": ["computes"]}),
                _scaling("hold"),
                _scaling("release", at=1),
            ],
            "holder": [_scaling("hold", holder=OTHER)],
        }
        for name, changes in cases.items():
            document = _golden()
            for change in changes:
                change(document)
            with self.subTest(name):
                self.assertEqual((), _check(document))

    def test_a_rollback_that_leaves_no_scaling_held(self) -> None:
        """S-7: of the campaign, of the hold itself, or where nothing is held."""
        cases = {
            "whole": [WHOLE],
            "its own": [WHOLE, _put("procedures", 1, "on_failure", "partial")],
            "before": [_put(*P, "level", -1)],
            "after": [_put(*P, "level", 99)],
            "an edge": [_put(*P, "level", 90), _put(*P, "after", ["release"])],
            "another's": [_put("procedures", 1, "steps", 0, "with", {"holder": OTHER})],
        }
        for name, changes in cases.items():
            document = _golden()
            _both(_held, *changes)(document)
            with self.subTest(name):
                self.assertEqual((), _check(document))

    def test_scaling_that_an_earlier_procedure_releases(self) -> None:
        document = _golden()
        _more({"level": 20})(document)
        _scaling("release")(document)
        _scaling("hold", at=1)(document)
        (found,) = _check(document)
        self.assertEqual(("C616", "/procedures/1/steps/6"), (found.rule, found.pointer))

    def test_an_edge_over_a_third_orders_two(self) -> None:
        document = _golden()
        document["selectors"]["none"] = {"match": {"rack": "R9"}}
        _more({"id": "middle", "after": ["computes"], "select": "none"})(document)
        _more({"after": ["middle"]})(document)
        self.assertEqual(["C704"], [each.rule for each in _check(document)])


class WindowTest(unittest.TestCase):
    """CM-1: what is no fault of change windows."""

    def found(self, *windows: dict[str, Any]) -> list[tuple[str, str]]:
        document = _golden()
        _windows(*windows)(document)
        return [(each.rule, each.pointer) for each in _check(document)]

    def test_windows_that_touch_do_not_overlap(self) -> None:
        after = {"start": SINGLE["end"], "end": "2026-12-03T00:00:00Z"}
        self.assertEqual([], self.found(after, SINGLE))
        self.assertEqual([], self.found(WEEKLY, {**WEEKLY, "days": ["tue", "sun"]}))
        morning = {**WEEKLY, "days": ["tue"], "from": "05:30", "to": "07:00"}
        self.assertEqual([], self.found(WEEKLY, morning))

    def test_one_that_is_still_to_come_is_enough(self) -> None:
        gone = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"}
        self.assertEqual([], self.found(gone, SINGLE))
        self.assertEqual([], self.found(gone, WEEKLY))

    def test_without_a_clock_nothing_is_over(self) -> None:
        document = _golden()
        MUTATIONS["C745"][0][1](document)
        self.assertEqual((), lints.check(document, {}, campaigns.CATALOGUE, FLEET))

    def test_far_away_windows(self) -> None:
        far = {"start": "8990-12-01T00:00:00Z", "end": "8999-12-30T00:00:00Z"}
        self.assertEqual([("C744", "/schedule/windows/1")], self.found(WEEKLY, far))
        beyond = {**far, "end": "9999-12-31T23:00:00-05:00"}
        self.assertEqual([("C741", "/schedule/windows/0/end")], self.found(beyond))

    def test_ids_are_given_once(self) -> None:
        document = _golden()
        _windows(SINGLE, WEEKLY)(document)
        document["schedule"]["windows"][1]["id"] = "w0"
        found = [(each.rule, each.pointer) for each in _check(document)]
        self.assertEqual([("C403", "/schedule/windows/1/id")], found)


class RobustnessTest(unittest.TestCase):
    @given(st.data())
    def test_no_shape_makes_the_lints_stumble(self, data: st.DataObject) -> None:
        """What the schema will refuse must not crash the rules before."""
        junk: st.SearchStrategy[Any] = st.sampled_from(
            [None, 0, -1, 1.5, True, "", "x", "${y}", [], {}, [[]]]
        ).map(copy.deepcopy)
        document: Any = _golden()
        _windows(SINGLE, WEEKLY)(document)
        for _ in range(data.draw(st.integers(1, 4))):
            paths = [path for path in campaigns.nodes(document) if path]
            path = data.draw(st.sampled_from(paths))
            _put(*path, data.draw(junk))(document)
        lints.check_document(document, {}, campaigns.CATALOGUE, FLEET)
