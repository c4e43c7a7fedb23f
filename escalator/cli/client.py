"""The API as the commands see it: dicts in, dicts out."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from openstack import proxy
from osc_lib import exceptions

SERVICE_TYPE = "upgrade"
PAGE = 1000

Row = dict[str, Any]


class Refused(exceptions.CommandError):
    """The API answered with errors.

    :ivar problems: the API's ``errors`` list; never empty.
    """

    def __init__(self, status: int, problems: list[Row]) -> None:
        self.status = status
        self.problems = problems
        super().__init__("\n".join(tell(problem) for problem in problems))


def tell(problem: Row, document: str = "") -> str:
    """Return one error as text: place, what is wrong, rule, remedy.

    :param document: name of the file whose lines the places are in.
    """
    place = _place(problem.get("source", {}), document)
    rule = problem.get("rule") or problem.get("code", "")
    told = f"{place}{problem.get('detail', 'refused')} [{rule}]"
    if problem.get("remedy"):
        told += f"\n  Remedy: {problem['remedy']}"
    if problem.get("status", 0) >= 500:
        told += f"\n  Request: {problem.get('request_id')}"
    return told


def _place(source: Row, document: str) -> str:
    parts = [document] if document else []
    if "line" in source:
        parts.append(str(source["line"]) if document else f"line {source['line']}")
    for kind in ("pointer", "parameter", "header"):
        if source.get(kind):
            parts.append(source[kind])
    return ":".join(parts) + ": " if parts else ""


class _Rest(proxy.Proxy):
    """Sends requests and follows pages through openstacksdk's session."""

    def _pages(
        self, path: str, key: str, limit: int | None, query: Row
    ) -> Iterator[Row]:
        left = limit
        query = {name: value for name, value in query.items() if value is not None}
        query["limit"] = min(left or PAGE, PAGE)
        while True:
            body = self._send("GET", path, None, None, query=query)
            yield from body[key] if left is None else body[key][:left]
            left = None if left is None else left - len(body[key])
            onward = [x["href"] for x in body["links"] if x["rel"] == "next"]
            if not onward or (left is not None and left <= 0):
                return
            query = dict(parse_qsl(urlsplit(onward[0]).query))

    def _send(
        self,
        method: str,
        path: str,
        body: Row | None,
        member: str | None,
        key: str = "",
        query: Row | None = None,
    ) -> Any:
        response = self.request(
            path,
            method,
            json=body,
            params=query,
            headers={"Idempotency-Key": key} if key else {},
            microversion=self.default_microversion,
        )
        if response.status_code >= 400:
            raise Refused(response.status_code, _problems(response))
        content = response.json() if response.content else {}
        return content[member] if member else content


class Campaigns(_Rest):
    """Calls on campaigns."""

    def validate_campaign(self, document: str, params: Row) -> Row:
        """Return findings and summary of a file.

        :raises Refused: with one problem for each finding.
        """
        body = {"campaign": {"document": document, "params": params}}
        return self._send("POST", "/campaigns/validate", body, "validation")

    def plan_campaign(
        self, document: str, params: Row, seed: int, what_if: Row | None = None
    ) -> Row:
        """Return what a file would do.

        :raises Refused: with one problem for each finding.
        """
        body = {"campaign": {"document": document, "params": params}}
        if what_if is not None:
            body["campaign"]["what_if"] = what_if
        return self._send("POST", "/campaigns/plan", body, "plan", query={"seed": seed})

    def create_campaign(self, document: str, params: Row, key: str) -> Row:
        """Store a campaign; the same ``key`` gives the same one."""
        body = {"campaign": {"document": document, "params": params}}
        return self._send("POST", "/campaigns", body, "campaign", key)

    def campaigns(self, limit: int | None = None, **query: Any) -> Iterator[Row]:
        """Yield campaigns, newest first."""
        return self._pages("/campaigns", "campaigns", limit, query)

    def campaign(self, campaign_id: str) -> Row:
        """Return one campaign."""
        return self._send("GET", f"/campaigns/{_safe(campaign_id)}", None, "campaign")

    def act(self, campaign_id: str, action: str, arguments: Row, key: str) -> Row:
        """Give a campaign an order; return it as it then is."""
        body = {"action": {"name": action, "arguments": arguments}}
        path = f"/campaigns/{_safe(campaign_id)}/actions"
        return self._send("POST", path, body, "campaign", key)

    def steps(self, campaign_id: str) -> Iterator[Row]:
        """Yield every step of a campaign."""
        return self._pages(f"/campaigns/{_safe(campaign_id)}/steps", "steps", None, {})

    def journal(self, campaign_id: str, after: int) -> Iterator[Row]:
        """Yield the journal's lines after ``after``."""
        path = f"/campaigns/{_safe(campaign_id)}/journal"
        return self._pages(path, "journal", None, {"after": after})

    def preflight(self, campaign_id: str) -> Row:
        """Return the latest preflight report of a campaign."""
        path = f"/campaigns/{_safe(campaign_id)}/preflight"
        return self._send("GET", path, None, "preflight")

    def revisions(self, campaign_id: str) -> Iterator[Row]:
        """Yield the revisions of its plan, oldest first."""
        path = f"/campaigns/{_safe(campaign_id)}/revisions"
        return self._pages(path, "revisions", None, {})

    def explain(self, campaign_id: str) -> list[Row]:
        """Return what waits, and why."""
        path = f"/campaigns/{_safe(campaign_id)}/explain"
        waits: list[Row] = self._send("GET", path, None, "waits")
        return waits


class Hosts(_Rest):
    """Calls on hosts."""

    def hosts(self, **query: Any) -> Iterator[Row]:
        """Yield hosts by name."""
        return self._pages("/hosts", "hosts", None, query)

    def host(self, name: str) -> Row:
        """Return one host."""
        return self._send("GET", f"/hosts/{_path(name)}", None, "host")

    def act_on_host(self, name: str, action: str, arguments: Row) -> Row:
        """Quarantine or release a host; return it as it then is."""
        body = {"action": {"name": action, "arguments": arguments}}
        return self._send("POST", f"/hosts/{_path(name)}/actions", body, "host")


class Faults(_Rest):
    """Calls on faults."""

    def faults(self, limit: int | None = None, **query: Any) -> Iterator[Row]:
        """Yield faults, newest first."""
        return self._pages("/faults", "faults", limit, query)

    def fault(self, fault_id: str) -> Row:
        """Return one fault with its hops."""
        return self._send("GET", f"/faults/{_safe(fault_id)}", None, "fault")


class Notices(_Rest):
    """Calls on notices."""

    def notices(self, limit: int | None = None, **query: Any) -> Iterator[Row]:
        """Yield notices, the last settled first."""
        return self._pages("/notices", "notices", limit, query)

    def notice(self, notice_id: str) -> Row:
        """Return one notice."""
        return self._send("GET", f"/notices/{_safe(notice_id)}", None, "notice")

    def resend_notice(self, notice_id: str) -> Row:
        """Have a dead letter sent again; return it as it then is."""
        body = {"action": {"name": "resend"}}
        path = f"/notices/{_safe(notice_id)}/actions"
        return self._send("POST", path, body, "notice")


class Subscriptions(_Rest):
    """Calls on webhooks."""

    def create_subscription(self, **values: Any) -> Row:
        """Subscribe a webhook; only this answer holds its secret."""
        body = {"subscription": values}
        return self._send("POST", "/subscriptions", body, "subscription")

    def subscriptions(self) -> Iterator[Row]:
        """Yield subscriptions."""
        return self._pages("/subscriptions", "subscriptions", None, {})

    def delete_subscription(self, subscription_id: str) -> None:
        """Unsubscribe a webhook."""
        self._send("DELETE", f"/subscriptions/{_safe(subscription_id)}", None, None)


class Alarms(_Rest):
    """Calls on alarms of Aodh."""

    def create_alarm(self, **values: Any) -> Row:
        """Bind an alarm; only this answer holds its token."""
        return self._send("POST", "/alarms", {"alarm": values}, "alarm")

    def alarms(self) -> Iterator[Row]:
        """Yield alarms, revoked ones too."""
        return self._pages("/alarms", "alarms", None, {})

    def alarm(self, alarm_id: str) -> Row:
        """Return one alarm."""
        return self._send("GET", f"/alarms/{_safe(alarm_id)}", None, "alarm")

    def alarm_observations(self, alarm_id: str, limit: int) -> Iterator[Row]:
        """Yield what was news in its reports, newest first."""
        path = f"/alarms/{_safe(alarm_id)}/observations"
        return self._pages(path, "observations", limit, {})

    def delete_alarm(self, alarm_id: str) -> None:
        """Revoke an alarm."""
        self._send("DELETE", f"/alarms/{_safe(alarm_id)}", None, None)


class Services(_Rest):
    """Calls on Escalator's own processes."""

    def services(self) -> list[Row]:
        """Return every process that ever said that it lives."""
        found: list[Row] = self._send("GET", "/services", None, "services")
        return found


class Client(Campaigns, Hosts, Faults, Notices, Subscriptions, Alarms, Services):
    """Speaks version 1 of the API."""


def _problems(response: Any) -> list[Row]:
    """Return the answer's errors, whoever gave it (a proxy may)."""
    try:
        problems = response.json()["errors"]
        if problems and all(isinstance(problem, dict) for problem in problems):
            return list(problems)
    except (ValueError, KeyError, TypeError):
        pass
    status = response.status_code
    return [{"status": status, "detail": response.reason, "code": f"http_{status}"}]


def _path(text: str) -> str:
    """Return a name as one path segment.

    :raises CommandError: it cannot be a name.
    """
    if text in ("", ".", ".."):
        raise exceptions.CommandError(f"{text!r} is no name.")
    return quote(text, safe="")


def _safe(text: str) -> str:
    """Return an id as one path segment.

    :raises CommandError: it cannot be an id.
    """
    if not text or not all(c.isalnum() or c == "-" for c in text):
        raise exceptions.CommandError(f"{text!r} is no id.")
    return text
