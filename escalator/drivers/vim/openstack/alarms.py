"""Aodh's alarms: read, and written without changing what is not meant (S-7)."""

import json
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions as refusals

from escalator import errors
from escalator.drivers.vim.openstack import calls as services

PAGE = 1000

ACTIONS = ("alarm_actions", "ok_actions", "insufficient_data_actions")

DESCRIPTION_BYTES = 65535
"""What MySQL stores of a description."""

_FILTERED = "gnocchi_aggregation_by_resources_threshold"
_OWNER = "created_by_project_id"
_ALL = "?q.field=all_projects&q.op=eq&q.value=true&sort=alarm_id:asc"
"""Unless told otherwise Aodh sorts by the time of the last change: an alarm that is
written between two pages would be left out."""

Alarm = Mapping[str, Any]


class Alarms:
    """The alarms of all projects."""

    def __init__(self, calls: services.Calls) -> None:
        self._calls = calls

    def list_all(self) -> list[Alarm]:
        """Return every alarm, page by page.

        :raises NotFound: the catalog has no Aodh.
        :raises VimUnavailable: it does not answer.
        :raises ActionFailed: it refuses; the role ``admin`` is missing.
        """
        found: dict[str, Alarm] = {}
        marker = ""
        while True:
            query = f"{_ALL}&limit={PAGE}{marker}"
            page = self._page(f"/v2/alarms{query}", bool(marker))
            fresh = [each for each in page if each["alarm_id"] not in found]
            found.update({each["alarm_id"]: each for each in fresh})
            if not fresh or len(page) < PAGE:
                return list(found.values())
            marker = f"&marker={page[-1]['alarm_id']}"

    def read(self, alarm_id: str) -> Alarm:
        """Return one alarm as it is now.

        :raises NotFound: it was deleted.
        """
        found: Alarm = self._calls.read("show_alarm", f"/v2/alarms/{alarm_id}", None)
        return found

    def write(self, alarm: Alarm) -> None:
        """Store an alarm, whole: Aodh resets what a PUT leaves out.

        Trusts of ``trust+http`` actions are not shown, and kept by Aodh.

        :raises NotFound: it was deleted.
        :raises ActionFailed: Aodh refuses, or would change more than was meant.
        """
        if len(alarm["description"].encode()) > DESCRIPTION_BYTES:
            raise _refused("its description has no room left for the mark; shorten it")
        body = alarm
        if alarm["type"] == _FILTERED and (
            alarm["project_id"] != self._calls.project_id()
        ):
            body = _unfiltered(alarm)
        path = f"/v2/alarms/{alarm['alarm_id']}"
        self._calls.send("update_alarm", "PUT", path, body, None)

    def _page(self, path: str, is_later: bool) -> list[Alarm]:
        try:
            found: list[Alarm] = self._calls.read("list_alarms", path, None)
            return found
        except errors.NotFound as error:
            # A wrong address in the catalog must not pass for a cloud without Aodh.
            raise errors.ActionFailed(
                action="list_alarms", reason=f"404 at Aodh's address: {error}"
            ) from error
        except errors.ActionFailed as error:
            # Of a later page: the marker may have been deleted meanwhile.
            if is_later:
                error.failure_class = "transient"
            raise
        except errors.VimUnavailable as error:
            if isinstance(error.__cause__, refusals.EndpointNotFound):
                raise errors.NotFound(
                    "The catalog has no service of type alarming (Aodh)."
                ) from error
            raise


def _unfiltered(alarm: Alarm) -> Alarm:
    """Return the body that leaves the query of the rule as it is.

    Whenever somebody of another project writes an alarm of this type, Aodh joins a
    filter on the alarm's project to its query.  What it joined when the owner
    created it is taken off here, and joined again by Aodh.

    :raises ActionFailed: there is none: Aodh would narrow the query for good.
    """
    key = f"{_FILTERED}_rule"
    rule = alarm[key]
    query = json.loads(rule["query"])
    parts = query.get("and") if isinstance(query, dict) and len(query) == 1 else None
    if (
        not isinstance(parts, list)
        or len(parts) != 2
        or not _is_filter(parts[0], alarm["project_id"])
    ):
        raise _refused(
            "its query is not limited to its project, and Aodh would limit it when we"
            " write it; disable it by hand for the time of the campaign"
        )
    return {**alarm, key: {**rule, "query": json.dumps(parts[1])}}


def _is_filter(part: Any, project_id: str) -> bool:
    """Tell whether Aodh joined it: resources of the project, or of Ceilometer's."""
    own = {"=": {_OWNER: project_id}}
    if part == own:
        return True
    either = part.get("or") if isinstance(part, dict) else None
    return isinstance(either, list) and bool(either) and either[0] == own


def _refused(reason: str) -> errors.ActionFailed:
    return errors.ActionFailed(action="update_alarm", reason=reason)
