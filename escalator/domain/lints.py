"""What a campaign file may not say, each rule with a stable id (P-4).

An id is never reused.  C1 and C2 are found by ``conductor.campaign_file``, which
sees the text and owns the schema; C611 too, because it needs JSON schemas.

====  =======================================================================
C101  the text is not YAML, or not one mapping
C102  a key stands twice in one mapping (both lines are told)
C103  a key is not text (YAML 1.1 reads ``on`` and ``yes`` as truth values)
C104  too large, too deep, or too many aliases
C201  unknown key
C202  wrong shape
C203  missing key
C204  a key that is reserved for a later version
C301  a parameter is given that the file does not declare
C302  a parameter has no value
C303  a parameter is mistyped or out of range
C304  ``${`` without a name and ``}``, or in a key
C401  a literal host name (P-4a)
C402  a reference to nothing: selector, budget, checkpoint, suite, ladder,
      parameter, procedure, sub-plan, artifact
C403  an id stands twice
C404  an action or checkpoint driver that is not installed
C405  a fact that targets do not have
C501  ``after`` edges and levels form a cycle
C502  ``parallel`` lets nothing run
C503  procedures that may run at once share targets
C504  a sub-plan includes itself (P-5)
C505  sub-plans nested too deep, too many procedures, too long ids
C506  a sub-plan that nothing uses (warning)
C507  ``visit: shared`` of a procedure that keeps visits of its own (warning)
C601  a step is not exactly one of action, verify, checkpoint
C602  ``expected`` or ``timeout`` is missing (P-4e)
C603  a duration cannot be read, or a timeout is zero
C604  ``timeout`` is below ``expected``
C605  a changing step without ``undo``, whose action declares none
C606  a changing step without ``idempotent``, whose action declares none
C607  ``undo`` names no installed action
C608  a verification that changes its target, or an action that is a
      checkpoint driver, or the reverse
C609  a rolling procedure changes its nodes without a checkpoint before, or
      waives it without a reason
C610  a drain without a cordon before
C611  parameters that the action refuses
C612  ``on_pause: stop`` of a step that may not be repeated, or not be stopped
C613  a ``progress`` limit that is never reached before ``timeout``
C614  a ``progress`` limit of an action that shows none
C615  an expression in ``expected`` or ``timeout`` that is no duration on some host
C616  scaling is held, and no later step releases it (S-7)
C617  a rollback of one procedure leaves scaling held (warning)
C701  a budget that can never admit
C702  a budget that is used up now (warning)
C703  a rolling procedure without a budget (warning)
C704  a selector that chooses nothing now (warning)
C705  budgets do not let a single step out all at once (warning)
C706  a host's agent lacks an action, or has another version of it (warning)
C711  a budget without a limit, or with several
C712  a quorum or headroom that can never admit
C721  a stage that takes nobody
C722  a gate behind which nobody is left (warning)
C731  nobody stands in for what is interrupted (E-3; warning if best effort)
C741  a change window that cannot be read, or says no times (CM-1)
C742  a change window that ends before it begins
C743  a time zone that nobody knows
C744  change windows that overlap
C745  change windows that are all over
C746  a visit that fits into no change window
C747  a change window that is too short for some visits (warning)
C748  hosts are left when the last change window closes (warning)
C801  a ladder without a last rung
C802  a failure class that no last rung answers (P-4c)
C803  a rung that is never reached (warning)
C811  ``commit_after`` beside ``commit: auto``
C812  ``rehearse_undo`` without a checkpoint
C813  a ``restore`` rung without a checkpoint before the first change (R-1)
C814  a ``restore`` rung whose checkpoint driver cannot put back what is changed
C821  a remedy that may not be repeated, or takes its host out of service (V-7)
C822  a remedy of a check that no agent can answer anew
C823  limits of what is not collected (V-6)
C901  artifacts need, or by their versions wait for, each other
C902  versions that do not work together (P-1)
C903  the order of procedures contradicts the artifacts
C904  a method that the artifacts forbid
C905  no method, and none follows from the artifacts
C906  a parallel universe that lacks a part
C907  an artifact that no procedure brings
C908  parts of a parallel universe that is none (warning)
====  =======================================================================
"""

from collections.abc import Mapping, Sequence
from typing import Any

from escalator.domain import (
    composition,
    lint_budgets,
    lint_fleet,
    lint_hosts,
    lint_order,
    lint_preflight,
    lint_recovery,
    lint_redundancy,
    lint_references,
    lint_restore,
    lint_scaling,
    lint_scopes,
    lint_stages,
    lint_steps,
    lint_windows,
    parameters,
    plan,
    reading,
)
from escalator.domain import document as doc
from escalator.domain.finding import Finding
from escalator.domain.reading import Catalogue

__all__ = [
    "Finding",
    "check",
    "check_document",
    "check_fleet",
    "check_submission",
    "has_errors",
]


def check(
    document: Mapping[str, Any],
    params: Mapping[str, Any],
    catalogue: Catalogue,
    targets: Sequence[plan.Target] | None,
    now: float | None = None,
) -> tuple[Finding, ...]:
    """Return every finding of a document that its schema accepts (pure).

    :param targets: the inventory, for rules that need one; None: without.
    :param now: epoch seconds, for rules that need the time; None: without.
    """
    findings = check_document(document, params, catalogue, targets)
    if targets is None or has_errors(findings):
        return findings
    understood = reading.read(document, params, catalogue)
    told = check_submission(understood, targets, now)
    found = _compose(document, params).told_of_file(told)
    return (*findings, *dict.fromkeys(found))


def _compose(
    document: Mapping[str, Any], params: Mapping[str, Any]
) -> composition.Composition:
    values, _ = parameters.resolve(doc.table(document, "params"), params)
    return composition.compose(reading.substituted(document, values))


def check_document(
    document: Mapping[str, Any],
    params: Mapping[str, Any],
    catalogue: Catalogue,
    targets: Sequence[plan.Target] | None,
) -> tuple[Finding, ...]:
    """Return what the document alone shows, whatever its shape (pure).

    :param targets: only their names, and the values of their facts, are used.
    """
    values, findings = parameters.resolve(doc.table(document, "params"), params)
    filled = reading.substituted(document, values)
    made = composition.compose(filled)
    inner = (
        *lint_references.find(made.document, catalogue),
        *lint_order.find(made.document),
        *lint_budgets.find(made.document),
        *lint_stages.find(made.document),
        *lint_steps.find(made.document, catalogue),
        *lint_recovery.find(made.document),
        *lint_restore.find(made.document, catalogue),
        *lint_scaling.find(made.document),
        *lint_preflight.find(made.document, catalogue),
        *lint_windows.find(lint_windows.rows(made.document)),
    )
    found = (
        *findings,
        *lint_hosts.find(document, params, targets or ()),
        *lint_scopes.find(document, filled, made),
        *made.told_of_file(inner),
    )
    return tuple(dict.fromkeys(found))


def check_fleet(
    understood: plan.Plan, targets: Sequence[plan.Target]
) -> tuple[Finding, ...]:
    """Return what shows once the plan meets the inventory (pure).

    Told of the plan's procedures: see ``composition.Composition.told_of_file``.
    """
    found = lint_fleet.find(understood, targets)
    return (*found, *lint_windows.find_short(understood, targets))


def check_submission(
    understood: plan.Plan, targets: Sequence[plan.Target], now: float | None = None
) -> tuple[Finding, ...]:
    """Return :func:`check_fleet`, and what is judged before the start only (pure).

    A change under way can bring no redundancy back, and may be what saves the rest.

    :param now: epoch seconds, for rules that need the time; None: without.
    """
    found = lint_redundancy.find(understood, targets)
    over = lint_windows.find_over(understood.windows, now)
    return (*check_fleet(understood, targets), *found, *over)


def has_errors(findings: Sequence[Finding]) -> bool:
    """Say whether one of the findings refuses the file."""
    return any(found.severity == "error" for found in findings)
