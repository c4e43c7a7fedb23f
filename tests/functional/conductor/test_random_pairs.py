"""Two random campaigns at once on one fleet: nobody breaks anybody's limits (CM-5).

``ESCALATOR_RANDOM_RUNS`` and ``ESCALATOR_RANDOM_SHRINK`` as in ``test_random_runs``.
"""

import collections
import dataclasses
import random
from typing import Any

import hypothesis
import sqlalchemy as sa
from hypothesis import strategies as st

from escalator import errors
from escalator.conductor import explaining, hosts
from escalator.db import models
from escalator.domain import plan
from tests.fixtures import engine as beds
from tests.fixtures import oracle, simfleet, trial_strategies, watched
from tests.functional.conductor import test_random_runs

MOST_TURNS = 3000
LIMITING = ("running", "pausing", "paused", "holding", "rolling_back")
DRAIN = "vim.drain"
DRAINED = ("done", "superseded", "skipped", "reverted", "quarantined")
Kind = plan.Kind

LIMITS = (
    plan.Budget("all", "all", max_down=2),
    plan.Budget("share", "all", max_percent=50.0),
    plan.Budget("rack", "fact", "rack", max_down=1),
    plan.Budget("racks", "fact", "rack", max_down=2),
    plan.Budget("quorum", "fact", "group", kind=Kind.QUORUM),
    plan.Budget("servers", "server_group", max_down=1),
    plan.Budget("owners", "owner"),
    plan.Budget("moves", "all", max_down=1, kind=Kind.MIGRATIONS),
    plan.Budget("many", "all", max_down=2, kind=Kind.MIGRATIONS),
)


@st.composite
def campaigns(draw: Any, name: str) -> plan.Plan:
    """Draw a campaign whose steps fail by themselves only on the way forth."""
    limits = draw(st.lists(st.sampled_from(LIMITS), unique=True, max_size=3))
    steps = []
    for at in range(draw(st.integers(1, 3))):
        made = test_random_runs.change(name, str(at))
        action = draw(st.sampled_from(("act", DRAIN)))
        steps.append(dataclasses.replace(made, action=action, timeout_s=3.0))
    last = draw(st.sampled_from(("rollback", "hold", "quarantine")))
    procedure = plan.Procedure(
        id=name,
        level=10,
        after=(),
        selector=draw(st.sampled_from(("all", "even"))),
        method="rolling",
        parallel=draw(st.integers(1, 4)),
        budgets=tuple(each.id for each in limits),
        steps=tuple(steps),
        ladder=(plan.Rung("retry", ("transient",), 1, 0.2), plan.Rung(last)),
    )
    compute = plan.Condition("role", ("compute",))
    sound = (plan.Condition("state", ("quarantined",)),)
    even = plan.Condition("tag", ("even",))
    return beds.rolling_plan(
        budgets=tuple(limits),
        procedures=(procedure,),
        selectors=(
            plan.Selector("all", (compute,), sound),
            plan.Selector("even", (compute, even), sound),
        ),
        soak_s=draw(st.sampled_from((0.0, 1.0))),
    )


@st.composite
def pairs(draw: Any) -> tuple[Any, ...]:
    """Draw a fleet, two campaigns, what fails, and a seed."""
    rows = [dict(row) for row in draw(trial_strategies.fleets())]
    for row in rows:
        declares = draw(st.sampled_from(([], [["shop", 1]], [["shop", 2]])))
        row["declared"] = declares
    made = (draw(campaigns("a")), draw(campaigns("b")))
    effects = [f"{name}/{at}" for name in "ab" for at in range(3)]
    troubles = st.builds(
        simfleet.Trouble,
        host=st.sampled_from([row["name"] for row in rows]),
        step=st.sampled_from(effects),
        intent=st.just("run"),
        kind=st.sampled_from(("transient", "permanent", "slow", "lost")),
    )
    wishes = st.lists(
        st.tuples(
            st.sampled_from((1, 2, 4, 8, 16, 32)),
            st.integers(0, 1),
            st.sampled_from(("pause", "resume", "rollback")),
        ),
        max_size=4,
    )
    found = draw(st.lists(troubles, max_size=4))
    return rows, made, found, draw(wishes), draw(st.integers(0, 2**16))


class Pair:
    """Plays two campaigns; keeps what was broken."""

    def __init__(self, database: watched.WatchedDatabase, drawn: Any) -> None:
        self.hosts, self.made, troubles, self.wishes, seed = drawn
        self.database = database
        self.chance = random.Random(seed)
        self.fleet = simfleet.SimFleet(list(troubles), seed)
        self.inbox: list[Any] = []
        self.broken: list[str] = []
        self.both = 0
        database.empty()
        with database.begin() as connection:
            connection.execute(sa.insert(models.host), self.hosts)
        quick = beds.settings(lease_s=1.0, probe_interval_s=0.5, outbox_retry_s=0.6)
        self.bed = beds.EngineBed(database, self.fleet, chosen=quick)
        self.plan_of = {beds.start_campaign(self.bed, e): e for e in self.made}
        self.before: dict[str, set[str]] = {}
        database.watch = self.look

    def play(self) -> None:
        """Play until both are over; an operator mends hosts, undoes what is held."""
        for turn in range(MOST_TURNS):
            for at, which, action in self.wishes:
                if at == turn:
                    self.ask(list(self.plan_of)[which], action)
            if self.turn():
                continue
            states = self.states()
            left = [each for each in self.plan_of if states[each] not in oracle.ENDED]
            if not left:
                return
            self._mend()
            for each in left:
                if states[each] == "paused":
                    self.ask(each, "resume")
                if states[each] != "paused" or self.states()[each] == "paused":
                    self.ask(each, "rollback")
        told = explaining.Explaining(self.bed.engine, self.bed.execution.admission)
        waits = [told.explain(each) for each in self.plan_of]
        raise AssertionError(f"no end: {self.states()} {waits}")

    def _mend(self) -> None:
        keeper = hosts.Hosts(self.bed.engine)
        for row in self.read(models.host):
            if row["is_quarantined"]:
                keeper.act(row["name"], "release", {}, "op")

    def ask(self, campaign_id: str, action: str) -> None:
        """Ask for something that the state may not allow."""
        try:
            self.bed.steers.act(campaign_id, action, {}, "op", None)
        except (errors.IllegalMove, errors.Conflict, errors.InvalidInput):
            return

    def turn(self) -> bool:
        """Work once; False if nothing moved, and nothing will."""
        before = self.database.commits
        self.inbox += self.fleet.due(self.database.seconds)
        self.bed.reports = list(self.inbox)
        self.bed.step()
        self.inbox.clear()
        if self.broken:
            raise AssertionError(self.broken)
        has_moved = self.database.commits != before
        return self.database.pass_time(has_moved, self.fleet.next_at())

    def states(self) -> dict[str, str]:
        """Return campaign id -> state."""
        return {row["id"]: row["state"] for row in self.bed.rows(models.campaign)}

    def look(self) -> None:
        """Judge a transaction: who went out, and whose limits that breaks."""
        for row in self.read(models.campaign):
            if "the guard stopped it" in row["state_reason"]:
                self.broken.append(row["state_reason"])
        slots = [row for row in self.read(models.slot) if row["state"] in oracle.OUT]
        out: dict[str, set[str]] = {each: set() for each in self.plan_of}
        for row in slots:
            out[row["campaign_id"]].add(row["host"])
        self.both = max(self.both, sum(bool(each) for each in out.values()))
        moving = self._moving(slots)
        for campaign_id, names in out.items():
            for host in names - self.before.get(campaign_id, set()):
                self._judge(host, campaign_id, out, moving)
        worked_on = [row["host"] for row in slots]
        if len(worked_on) != len(set(worked_on)):
            self.broken.append(f"two on a host: {sorted(worked_on)}")
        self.before = out

    def read(self, table: sa.Table) -> list[dict[str, Any]]:
        """Return a table without a transaction of the engine's."""
        with self.database.engine.connect() as connection:
            return [dict(r) for r in connection.execute(sa.select(table)).mappings()]

    def _moving(self, slots: list[dict[str, Any]]) -> dict[str, str]:
        """Return host -> campaign of drains that are not over."""
        mine = {row["id"]: row for row in slots}
        return {
            row["host"]: row["campaign_id"]
            for row in self.read(models.step)
            if row["slot_id"] in mine
            and row["action"] == DRAIN
            and row["state"] not in DRAINED
        }

    def _judge(
        self, host: str, mine: str, out: dict[str, set[str]], moving: dict[str, str]
    ) -> None:
        rows = {row["name"]: row for row in self.read(models.host)}
        states = {row["id"]: row["state"] for row in self.read(models.campaign)}
        lost = {name for name, row in rows.items() if row["is_quarantined"]}
        if host in lost:
            return
        for campaign_id, made in self.plan_of.items():
            if campaign_id != mine and states[campaign_id] not in LIMITING:
                continue
            for limit in made.budgets:
                users = set().union(*out.values()) | lost
                if limit.kind == Kind.MIGRATIONS:
                    users = set(moving)
                    if host not in users:
                        continue
                for key in _keys(limit, rows[host]):
                    group = {n for n, row in rows.items() if key in _keys(limit, row)}
                    most = _most(limit, key, [rows[name] for name in group])
                    if len(users & group) > most:
                        self.broken.append(
                            f"{host} of {mine}: {limit.id} {key} of {campaign_id}:"
                            f" {sorted(users & group)} of {most}"
                        )


def _keys(limit: plan.Budget, row: dict[str, Any]) -> set[str]:
    if limit.scope == "owner":
        return {owner for owner, _ in row["declared"]}
    named = collections.namedtuple("named", row)(**row)
    return oracle.keys(limit, named)


def _most(limit: plan.Budget, key: str, group: list[dict[str, Any]]) -> int:
    if limit.scope == "owner":
        return min(most for row in group for owner, most in row["declared"])
    if limit.kind == Kind.QUORUM:
        return len(group) - (len(group) // 2 + 1)
    if limit.max_percent:
        return max(1, int(len(group) * limit.max_percent / 100))
    return limit.max_down


class TestPairs(test_random_runs.Case):
    @hypothesis.settings(
        test_random_runs.PROFILE, max_examples=test_random_runs.ASKED or 40
    )
    @hypothesis.given(pairs())
    def test_whatever_they_do(self, drawn: Any) -> None:
        """V-2, P-4b: limits hold for both at every commit, and both come to an end."""
        Pair(self.database, drawn).play()

    def test_the_judge_sees_a_breach(self) -> None:
        """Negative control: two that know nothing of each other."""
        rows = [dict(row, declared=[]) for row in test_random_runs.HOSTS]
        rack = plan.Budget("rack", "fact", "rack", max_down=2)
        made = [test_random_runs.two_steps() for _ in "ab"]
        pair = Pair(self.database, (rows, made, (), (), 0))
        self.assertEqual(rack.max_down, made[0].budgets[0].max_down)
        pair.bed.step()
        self.assertEqual([], pair.broken)
        other = list(pair.plan_of)[1]
        slot = models.slot
        with self.database.begin() as connection:
            first = connection.execute(sa.select(slot)).mappings().first()
            new = {**first, "id": "odd", "campaign_id": other, "host": "h3"}
            connection.execute(sa.insert(slot).values(new))
        self.assertIn("h3 of", pair.broken[0])
        self.assertIn("rack r0 of", pair.broken[0])
