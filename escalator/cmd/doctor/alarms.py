"""Event alarms of the cloud's Aodh."""

from typing import Any

PAGE = 500


def read_all(connection: Any) -> list[dict[str, Any]]:
    """Return the event alarms of all projects, page by page."""
    found: list[dict[str, Any]] = []
    asked = (("all_projects", "true"), ("type", "event"))
    terms = "&".join(f"q.field={n}&q.op=eq&q.value={v}" for n, v in asked)
    query = f"?{terms}&limit={PAGE}"
    marker = ""
    while True:
        page = connection.session.get(
            f"/v2/alarms{query}{marker}", endpoint_filter={"service_type": "alarming"}
        ).json()
        known = {each["alarm_id"] for each in found}
        fresh = [each for each in page if each["alarm_id"] not in known]
        found += fresh
        if not fresh or len(page) < PAGE:
            return found
        marker = f"&marker={page[-1]['alarm_id']}"
