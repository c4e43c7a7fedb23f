"""Bugs made by hand, one a line of the rules; the tests have to see each."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    """:ivar path: file below ``escalator/``.
    :ivar old: text that occurs there exactly once.
    :ivar rule: what is no longer true.
    """

    path: str
    old: str
    new: str
    rule: str


MUTANTS = (
    # Budgets.
    Mutant(
        "domain/budget.py",
        "len(users) >= limit)",
        "len(users) > limit)",
        "a key takes one target too many",
    ),
    Mutant(
        "domain/budget.py",
        "return max(1, math.floor(population * budget.max_percent / 100))",
        "return max(1, math.ceil(population * budget.max_percent / 100))",
        "percentages are rounded down",
    ),
    Mutant(
        "domain/budget.py",
        "if target.is_quarantined or not target.is_up:",
        "if not target.is_up:",
        "quarantined hosts use up budgets",
    ),
    Mutant(
        "domain/budget.py",
        "if target.is_quarantined or not target.is_up:",
        "if target.is_quarantined:",
        "hosts that are down use up budgets",
    ),
    Mutant(
        "domain/budget.py",
        "return tuple(dict.fromkeys(target.server_groups))",
        "return tuple(dict.fromkeys(target.server_groups[1:]))",
        "every server group of a host has its limit",
    ),
    Mutant(
        "domain/budget.py",
        "    return (UNKNOWN,)",
        "    return ()",
        "hosts without the fact share a limit",
    ),
    Mutant(
        "domain/budget.py",
        "            if token not in lost:\n",
        "            if True:\n",
        "a host that is down uses up its keys after its slot has ended",
    ),
    # Admission.
    Mutant(
        "conductor/situation.py",
        "            situation.ledger.take(target, procedure.budgets)\n",
        "",
        "one look counts what it has just opened",
    ),
    Mutant(
        "conductor/situation.py",
        "if not reason and room <= 0:",
        "if not reason and room < 0:",
        "parallel is the most at once",
    ),
    Mutant(
        "conductor/admission.py",
        "        tokens.take_tokens(connection, holds)\n\n",
        "\n",
        "opened slots hold tokens",
    ),
    Mutant(
        "conductor/situation.py",
        "    if target.is_quarantined:\n",
        "    if False:\n",
        "no quarantined host is begun",
    ),
    Mutant(
        "conductor/situation.py",
        "is_open_to(campaign, target.name, target.rack, procedure.id)",
        "is_open_to(campaign, target.name, procedure=procedure.id)",
        "a closed rack is not begun",
    ),
    Mutant(
        "conductor/batch.py",
        "            self.freed.append(slot_id)\n",
        "",
        "ended slots give back their tokens",
    ),
    # Ordering.
    Mutant(
        "domain/ordering.py",
        "lowest = min(",
        "lowest = max(",
        "lower levels come first",
    ),
    Mutant(
        "domain/ordering.py",
        "if procedure.level == lowest and set(procedure.after) <= set(done)",
        "if procedure.level == lowest",
        "a procedure comes after those it names",
    ),
    Mutant(
        "domain/ordering.py",
        "if procedure.level == lowest and",
        "if",
        "a level waits for the one below",
    ),
    Mutant(
        "domain/campaign.py",
        "            and candidate.seq > step.seq\n",
        "            and candidate.seq > step.seq + 1\n",
        "no step is left out",
    ),
    Mutant(
        "domain/campaign.py",
        "return self.waiting == 0 and set(self.slots) <= settled",
        "return set(self.slots) <= settled",
        "a procedure is over when no target waits",
    ),
    # Rollback.
    Mutant(
        "domain/rollback.py",
        "key=lambda step_id: order[step_id], reverse=True)",
        "key=lambda step_id: order[step_id])",
        "steps are undone in reverse",
    ),
    Mutant(
        "domain/rollback.py",
        "            order.pop(line.step_id, None)",
        "            pass",
        "what was undone is not undone again",
    ),
    Mutant(
        "domain/states.py",
        "IN_FLIGHT | {ST.DONE, ST.FAILED, ST.HUNG,",
        "IN_FLIGHT - IN_FLIGHT | {ST.DONE, ST.HUNG,",
        "a step that failed may have acted",
    ),
    Mutant(
        "domain/rollback.py",
        "last, key=lambda slot_id: (-levels[procedures[slot_id]], -last[slot_id])",
        "last, key=lambda slot_id: (-levels[procedures[slot_id]], last[slot_id])",
        "hosts are undone last one first",
    ),
    Mutant(
        "conductor/unwinding.py",
        "held_back(situation.plan.procedures, left)\n        lines",
        "held_back((), left)\n        lines",
        "a later level is undone first",
    ),
    Mutant(
        "domain/rollback.py",
        "if each.level < late.level or each.id in before[late.id]:",
        "if each.level < late.level:",
        "after edges hold in reverse",
    ),
    # Single steps.
    Mutant(
        "domain/single_step.py",
        "    if not reason and under_way:\n",
        "    if False:\n",
        "a single step waits for what is under way",
    ),
    Mutant(
        "domain/single_step.py",
        "        reason = obstacle(ledger, targets, procedure.budgets)\n",
        "        pass\n",
        "a single step begins on all hosts or none",
    ),
    # Sub-plans.
    Mutant(
        "domain/subplans.py",
        "(*budgets, *self._cap(place, body, own)),",
        "self._cap(place, body, own),",
        "budgets of a use hold inside",
    ),
    Mutant(
        "conductor/unwinding.py",
        "    if refusals:\n",
        "    if False:\n",
        "a rollback keeps the budgets",
    ),
    Mutant(
        "conductor/unwinding.py",
        "    if any(step.state in states.IN_FLIGHT for step in view.steps):\n",
        "    if False:\n",
        "nothing is undone while a step is under way",
    ),
    Mutant(
        "domain/campaign.py",
        "    if broken:\n        return states.CampaignState.FAILED, failed\n",
        "",
        "a failed undo is no success",
    ),
    # Fences, doubts and hosts.
    Mutant(
        "domain/campaign.py",
        "if report.fence != step.fence or step.state not in states.IN_FLIGHT:",
        "if step.state not in states.IN_FLIGHT:",
        "a report of an old fence is late",
    ),
    Mutant(
        "conductor/batch.py",
        '            fence=known["fence"] + 1,\n',
        '            fence=known["fence"] or 1,\n',
        "every attempt has a fence of its own",
    ),
    Mutant(
        "domain/campaign.py",
        "if step.idempotence == plan.Idempotence.NEVER:\n        if ladder",
        "if False:\n        if ladder",
        "what must not be repeated is not, in doubt",
    ),
    Mutant(
        "conductor/engine.py",
        "if self.standing(slot.host).is_listed:",
        "if True:",
        "no step on a removed host",
    ),
    Mutant(
        "conductor/leases.py",
        'if row["hard_at"] + grace < batch.now',
        'if row["hard_at"] + 1000 * grace < batch.now',
        "a silent agent is given up",
    ),
    Mutant(
        "conductor/explaining.py",
        "        waits += [\n",
        "        _ = [\n",
        "every wait has a reason",
    ),
    # Change windows.
    Mutant(
        "domain/change_window.py",
        "        if found.start.timestamp() > now:\n",
        "        if False:\n",
        "nobody is begun before the window opens",
    ),
    Mutant(
        "domain/change_window.py",
        "if found is None or now + need_s <= found.end.timestamp():",
        "if found is None or now <= found.end.timestamp():",
        "a visit that would not end in time is not begun",
    ),
    Mutant(
        "domain/change_window.py",
        "return bool(self.windows) and self.following(now) is None",
        "return False",
        "after the last window the campaign holds",
    ),
    Mutant(
        "domain/change_window.py",
        "last = day if closes > opens else day + _DAY",
        "last = day",
        "a window over midnight closes on the next day",
    ),
    # Stages.
    Mutant(
        "domain/stages.py",
        "room = max(0, take - members.get(stage.id, 0))",
        "room = max(0, take + 1 - members.get(stage.id, 0))",
        "a stage takes so many and no more",
    ),
    Mutant(
        "domain/stages.py",
        "    if lost:\n",
        "    if False:\n",
        "a stage that lost a host opens by an operator's word only",
    ),
    Mutant(
        "domain/stages.py",
        "    if now >= (gate.opens_at or 0.0):\n",
        "    if True:\n",
        "a gate that waits opens when its time is over",
    ),
    # What several campaigns share, and the guard.
    Mutant(
        "domain/losses.py",
        "len(chosen.union(begun))",
        "len(chosen)",
        "a share of the failure budget counts hosts that are done",
    ),
)
