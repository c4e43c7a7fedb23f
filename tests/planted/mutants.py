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
        "if step.idempotence == plan.Idempotence.NEVER:\n        detail",
        "if False:\n        detail",
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
    Mutant(
        "domain/change_window.py",
        "if found is None or found.start.timestamp() <= checked_at:",
        "if found is None or checked_at > 0:",
        "a preflight of an earlier window is out of date",
    ),
    Mutant(
        "conductor/situation.py",
        "situation.hours.closed(situation.now) or situation.unchecked:",
        "situation.hours.closed(situation.now):",
        "nobody is begun while the window's preflight is under way",
    ),
    Mutant(
        "conductor/opening.py",
        " and not _is_midway(situation):",
        ":",
        "what is midway ends before a refused window holds the campaign",
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
    # The failure budget.
    Mutant(
        "domain/losses.py",
        "len(chosen.union(begun))",
        "len(chosen)",
        "a share of the failure budget counts hosts that are done",
    ),
    # The guard.
    Mutant(
        "domain/invariants.py",
        'return f"{gone} of {most} out" if gone > most else ""',
        'return f"{gone} of {most} out" if gone > most + 1 else ""',
        "the guard counts as many as a limit allows, and no more",
    ),
    Mutant(
        "domain/invariants.py",
        "            gone |= lost\n",
        "            pass\n",
        "the guard counts who is down as well",
    ),
    Mutant(
        "domain/invariants.py",
        "if budget.kind == plan.Kind.MIGRATIONS and not each.is_draining:",
        "if budget.kind == plan.Kind.MIGRATIONS and each.is_draining:",
        "the guard counts drains that are not over",
    ),
    Mutant(
        "domain/invariants.py",
        "if each.level > made.procedure(procedure).level",
        "if each.level < made.procedure(procedure).level",
        "the guard knows which level is undone first",
    ),
    Mutant(
        "domain/invariants.py",
        "(is_next and clock < each.closes)",
        "(is_next and clock <= each.closes)",
        "the guard closes a window over midnight in time",
    ),
    Mutant(
        "domain/invariants.py",
        'if standing["campaign_id"] not in (None, campaign_id):',
        "if False:",
        "the guard lets one campaign work on a host",
    ),
    Mutant(
        "conductor/guard.py",
        "        batch.messages.remove(message)\n",
        "",
        "what the guard takes back is not sent",
    ),
    Mutant(
        "conductor/guard.py",
        "    out = [*own.values(), *situation.others.out]\n",
        "    out = [*fresh.values(), *situation.others.out]\n",
        "the guard counts who was out before",
    ),
    Mutant(
        "conductor/guard.py",
        '        and line["from_state"] not in invariants.OUT\n',
        "",
        "the guard lets those be that are out already",
    ),
    Mutant(
        "conductor/guard.py",
        "                severity=events.Severity.CRITICAL,\n",
        "",
        "the guard pages the owner of what it stops",
    ),
    # Limits of several campaigns.
    Mutant(
        "domain/sharing.py",
        "if drains or e.kind != Kind.MIGRATIONS)",
        "if e.kind != Kind.MIGRATIONS)",
        "who drains keeps the others' limit of drains",
    ),
    Mutant(
        "domain/sharing.py",
        "for key in budget.keys(limit, each.as_it_was(targets[each.host]))",
        "for key in budget.keys(limit, targets[each.host])",
        "what was on a drained host counts for the others",
    ),
    Mutant(
        "conductor/sharing.py",
        "(*made.budgets, *others.budgets), others.out, known)",
        "others.budgets, others.out, known)",
        "what others have out counts for one's own limits",
    ),
    Mutant(
        "conductor/sharing.py",
        "        found += sharing.holds(others.budgets, own.values(), known)\n",
        "",
        "what one has out oneself counts for the others' limits",
    ),
    # Reasons.
    Mutant(
        "domain/reason.py",
        "return max(fitting, key=lambda each: len(each.head), default=_OTHER)",
        "return next(iter(fitting), _OTHER)",
        "the most exact reason is told",
    ),
    Mutant(
        "domain/reason.py",
        "    if failure_class in _FAILURES:\n",
        "    if False:\n",
        "a failure is told by its class",
    ),
    Mutant(
        "conductor/explaining.py",
        'return is_idle or (shut if is_waiting else "") or told',
        "return told",
        "a reason of a pause that is over is not told",
    ),
    Mutant(
        "conductor/resting.py",
        '        found.insert(0, f"waits: the campaign holds: {cause}")\n',
        '        found.insert(0, f"waits: the campaign holds: {told}")\n',
        "a refused resume does not hide why a campaign holds",
    ),
    # Preflights.
    Mutant(
        "domain/preflight.py",
        "(not finding.host or finding.host in sight.begun)",
        "not finding.host",
        "a host that is midway is not left out",
    ),
    Mutant(
        "domain/preflight.py",
        "    is_tried = done or sight.is_mended\n",
        "    is_tried = bool(done)\n",
        "what was mended once, or not, is not mended again",
    ),
    Mutant(
        "domain/preflight.py",
        "        and host not in sight.midway\n",
        "",
        "a host that is worked on is not mended",
    ),
    Mutant(
        "domain/remedies.py",
        "return max(1, min([MENDED_AT_ONCE, *limits]))",
        "return max(1, MENDED_AT_ONCE, *limits)",
        "so many hosts are mended at once as the budgets let out",
    ),
    Mutant(
        "conductor/inquiring.py",
        '    tokens.occupy_hosts(connection, campaign["id"], hosts)\n',
        "",
        "other campaigns keep off a host that is mended",
    ),
    Mutant(
        "conductor/situation.py",
        "set(self.excluded) - self.begun() if self.excluded else set()",
        "set()",
        "a host that is left out is not begun",
    ),
    Mutant(
        "conductor/situation.py",
        "    if target.name in situation.mended:\n",
        "    if False:\n",
        "a host that is mended is not begun",
    ),
    Mutant(
        "conductor/preflight.py",
        'f"; not upgraded: {\'; \'.join(told)}" if told else ""',
        '""',
        "who is left out is listed at the end",
    ),
    # Attribution.
    Mutant(
        "domain/attribution.py",
        "        if spell.begun_at > until:\n",
        "        if True:\n",
        "faults that overlap are one outage",
    ),
    Mutant(
        "domain/attribution.py",
        "range(upgraded.faults, faults + 1)",
        "range(upgraded.faults + 1, faults + 1)",
        "as many faults as were seen are among the unlikely ones",
    ),
    Mutant(
        "domain/attribution.py",
        "    if base.faults == 0:\n",
        "    if False:\n",
        "where nothing ever failed no fault is chance",
    ),
    # Who is told.
    Mutant(
        "domain/notice.py",
        "needed = min(self.min_probes, fault.probes_watching)\n",
        "needed = self.min_probes\n",
        "who waits for more probes than there are is told when all agree",
    ),
    # Checkpoints that are put back.
    Mutant(
        "domain/restoring.py",
        "        and restores < rung.times\n",
        "        and restores <= rung.times\n",
        "a checkpoint is put back so many times and no more",
    ),
    Mutant(
        "conductor/restoring.py",
        'if step.intent == "run" and step.name in names\n',
        'if step.intent == "run"\n',
        "a checkpoint stands in for what it covers only",
    ),
    Mutant(
        "conductor/restoring.py",
        "        if is_back and step.state in restoring.CHANGED:\n",
        "        if False:\n",
        "what was put back counts as undone",
    ),
    # What is left behind.
    Mutant(
        "domain/scaling.py",
        "        elif action == RELEASE and state in _CARRIED_OUT:\n",
        "        elif action == RELEASE:\n",
        "a release that failed releases nothing",
    ),
)
