"""From the text of a campaign file to a plan, or to everything wrong with it.

Nothing of a refused file is kept.  Rules: ``domain.lints``.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.conductor import campaign_shape, campaign_text
from escalator.domain import composition, lints, parameters, plan, reading
from escalator.domain import document as doc
from escalator.domain.finding import Finding

Told = dict[str, object]
"""A finding as it is told: rule, pointer, line, detail, remedy, severity."""


def parse(text: str) -> tuple[dict[str, Any], Mapping[str, int]]:
    """Return the document, and the line of each pointer, 1-based (pure).

    :raises InvalidInput: every C1 finding.
    """
    loaded = campaign_text.load(text)
    if loaded.document is None or loaded.findings:
        raise _refusal(loaded.findings, loaded.lines)
    return loaded.document, loaded.lines


def understand(
    text: str,
    params: Mapping[str, Any],
    catalogue: reading.Catalogue,
    targets: Sequence[plan.Target] | None,
    now: float | None = None,
) -> tuple[plan.Plan, tuple[Told, ...]]:
    """Return the plan and the warnings (pure).

    :param params: values given at submission.
    :param catalogue: installed actions and checkpoint drivers by name.
    :param targets: the inventory, or None to judge without one.
    :param now: epoch seconds, or None to judge without a clock.
    :raises InvalidInput: every finding at once, warnings among them, by line.
    """
    loaded = campaign_text.load(text)
    if loaded.document is None:
        raise _refusal(loaded.findings, loaded.lines)
    document = loaded.document
    values, _ = parameters.resolve(doc.table(document, "params"), params)
    filled = reading.substituted(document, values)
    made = composition.compose(filled)
    found = [
        *loaded.findings,
        *campaign_shape.find(filled),
        *campaign_shape.find_uses(made.scopes),
        *lints.check_document(document, params, catalogue, targets),
        *made.told_of_file(campaign_shape.find_params(made.document, catalogue)),
    ]
    if lints.has_errors(found):
        raise _refusal(found, loaded.lines)
    understood = reading.read(document, params, catalogue)
    if targets is not None:
        found += made.told_of_file(lints.check_submission(understood, targets, now))
    if lints.has_errors(found):
        raise _refusal(found, loaded.lines)
    return understood, _tell(found, loaded.lines)


def tell(text: str, found: Iterable[Finding]) -> tuple[Told, ...]:
    """Return findings about a faultless text with their lines."""
    return _tell(found, campaign_text.load(text).lines)


def _refusal(found: Sequence[Finding], lines: Mapping[str, int]) -> errors.InvalidInput:
    told = _tell(found, lines)
    wrong = [each for each in told if each["severity"] == "error"]
    summary = f"line {wrong[0]['line']}: {wrong[0]['detail']}"
    if len(wrong) > 1:
        summary += f" (and {len(wrong) - 1} more)"
    return errors.InvalidInput(kind="campaign file", summary=summary, findings=told)


def _tell(found: Iterable[Finding], lines: Mapping[str, int]) -> tuple[Told, ...]:
    told = [
        {**dataclasses.asdict(each), "line": _line(each.pointer, lines)}
        for each in dict.fromkeys(found)
    ]
    return tuple(sorted(told, key=lambda each: (each["line"], each["rule"])))


def _line(pointer: str, lines: Mapping[str, int]) -> int:
    """Return the line of the pointer, or of what would hold it."""
    while pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines[pointer]
