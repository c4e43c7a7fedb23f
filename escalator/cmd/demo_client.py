"""The least HTTP client that the demo needs."""

import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any

from escalator import errors


class Client:
    """Speaks to one API without authentication.

    :param url: e.g. ``http://127.0.0.1:19393``; http only.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith("http://"):
            raise ValueError(f"{url} is no http URL")
        self.url = url

    def get(self, path: str) -> Any:
        """Return the JSON body of a GET."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON body of a POST."""
        return self._call("POST", path, body)

    def pages(self, path: str, name: str) -> list[dict[str, Any]]:
        """Return every item of a paged list."""
        items: list[dict[str, Any]] = []
        marker = ""
        while True:
            query = f"?limit=500{'&marker=' + marker if marker else ''}"
            page = self.get(path + query)
            items += page[name]
            if len(page[name]) < 500:
                return items
            marker = urllib.parse.quote(page[name][-1]["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Return every fault that took a host down, with its notices."""
        return [
            self.get(f"/v1/faults/{each['id']}")["fault"]
            for each in self.get("/v1/faults")["faults"]
            if each["fault_type"] == "host.down"
        ]

    def act(self, campaign_id: str, verb: str) -> None:
        """Ask a campaign to move."""
        self.post(f"/v1/campaigns/{campaign_id}/actions", {"action": {"name": verb}})

    def _call(self, method: str, path: str, body: Any) -> Any:
        """Return the answer's body.

        :raises InvalidInput: the API refuses; with all that it says.
        """
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        request = urllib.request.Request(  # noqa: S310 - http only, checked above
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                told = "\n".join(map(_tell, json.load(error)["errors"]))
            raise errors.InvalidInput(kind="request", summary=told) from error


def _tell(problem: dict[str, Any]) -> str:
    """Return one of the API's errors as text: place, what is wrong, rule, remedy."""
    line = problem.get("source", {}).get("line")
    place = f"line {line}: " if line else ""
    rule = problem.get("rule") or problem["code"]
    told = f"{place}{problem['detail']} [{rule}]"
    remedy = problem.get("remedy")
    return f"{told}\n  Remedy: {remedy}" if remedy else told
