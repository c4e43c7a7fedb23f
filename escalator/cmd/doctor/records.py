"""What Escalator itself has written down of the fault: its log and its API."""

import pathlib
import re
import time
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions as auth_errors

from escalator import errors

SERVICE_TYPE = "upgrade"
POLL_S = 0.1

_DETECTED = re.compile(
    r"host\.down detected at (\d+\.\d+) on \d+ host\(s\): (.*)$", re.MULTILINE
)


class Records:
    """Reads faults through the API, and the monitor's log where it is at hand.

    :param session: a keystoneauth session of an administrator.
    :param endpoint: of Escalator's API; empty: the catalog's.
    """

    def __init__(self, session: Any, endpoint: str) -> None:
        self._session = session
        self._endpoint = endpoint.rstrip("/")

    def faults_of(self, host: str, state: str = "") -> list[dict[str, Any]]:
        """Return the newest faults that took ``host`` down, newest first."""
        query = f"?host={host}&limit=20" + (f"&state={state}" if state else "")
        found = self._get(f"/v1/faults{query}")["faults"]
        return [each for each in found if each["fault_type"] == "host.down"]

    def await_fault(self, host: str, since: float, timeout_s: float) -> dict[str, Any]:
        """Return the fault raised after ``since``, once its impact is stored.

        :raises DoctorTestFailed: none came in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for brief in self.faults_of(host):
                fault = self._get(f"/v1/faults/{brief['id']}")["fault"]
                times = fault.get("times", {})
                if times.get("T1", 0.0) >= since and "T5" in times:
                    return dict(fault)
            time.sleep(POLL_S)
        raise errors.DoctorTestFailed(
            step="inject_failure",
            reason=f"Escalator found no fault of {host} within {timeout_s:.0f} s",
        )

    def await_hops(self, fault: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Return the fault again, once what follows its impact is stored too.

        That is T3, the states of its instances, and its notices.  Nothing is wrong
        without T3: Escalator may be told to leave the states alone.
        """
        deadline = time.monotonic() + timeout_s
        while not _is_complete(fault) and time.monotonic() < deadline:
            time.sleep(POLL_S)
            fault = dict(self._get(f"/v1/faults/{fault['id']}")["fault"])
        return fault

    def await_calm(self, host: str, timeout_s: float) -> None:
        """Wait until no fault of ``host`` is raised.

        :raises DoctorTestFailed: one still is.
        """
        deadline = time.monotonic() + timeout_s
        while self.faults_of(host, "raised"):
            if time.monotonic() > deadline:
                raise errors.DoctorTestFailed(
                    step="restore", reason=f"{host} is not back after {timeout_s:.0f} s"
                )
            time.sleep(POLL_S)

    def await_watched(self, host: str, timeout_s: float) -> None:
        """Wait until Escalator knows the host, and that it is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            state = self._host_state(host)
            if state == "up":
                return
            if time.monotonic() > deadline:
                raise errors.DoctorTestFailed(
                    step="start_monitor",
                    reason=f"Escalator says of {host}: {state or 'not known'}",
                )
            time.sleep(POLL_S)

    def _host_state(self, host: str) -> str:
        try:
            return str(self._get(f"/v1/hosts/{host}")["host"]["state"])
        except auth_errors.NotFound:
            return ""

    def _get(self, path: str) -> dict[str, Any]:
        more: dict[str, Any] = {"endpoint_filter": {"service_type": SERVICE_TYPE}}
        if self._endpoint:
            path, more = self._endpoint + path, {}
        try:
            return dict(self._session.get(path, **more).json())
        except auth_errors.NotFound:
            raise
        except auth_errors.ClientException as error:
            raise errors.DoctorTestFailed(
                step="ask Escalator", reason=str(error)
            ) from error


def _is_complete(fault: Mapping[str, Any]) -> bool:
    return "T3" in fault["times"] and bool(fault.get("notices"))


def detected_in_log(path: pathlib.Path, host: str, since: float) -> float | None:
    """Return when the monitor's log says that ``host`` was found down."""
    for at, hosts in _DETECTED.findall(path.read_text(errors="replace")):
        if float(at) >= since and host in re.split(r"[,\s]+", hosts):
            return float(at)
    return None
