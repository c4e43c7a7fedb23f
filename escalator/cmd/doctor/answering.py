"""Do the consumers of alarms answer?  Aodh waits for each of them for ever."""

import concurrent.futures
import http.client
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from escalator.domain import doctor

AT_ONCE = 16


def judge(
    alarms: Iterable[Mapping[str, Any]], timeout_s: float
) -> Iterator[doctor.Finding]:
    """Ask every web server that an alarm names, once: HEAD, no alarm is posted.

    A consumer that takes the connection and says nothing holds one of Aodh's
    threads with every alarm.
    """
    places: dict[tuple[str, str], str] = {}
    for alarm in alarms:
        for url in alarm.get("alarm_actions") or ():
            place = urlsplit(str(url))
            if place.scheme in ("http", "https"):
                places.setdefault((place.scheme, place.netloc), str(url))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE, "answering") as pool:
        asked = pool.map(lambda url: _ask(urlsplit(url), timeout_s), places.values())
        for (scheme, netloc), wrong in zip(places, asked, strict=True):
            if wrong:
                yield doctor.Finding(
                    "consumers",
                    doctor.Grade.FAILURE if wrong is HANGS else doctor.Grade.WARNING,
                    f"{scheme}://{netloc} {wrong}",
                    "Mend it, or delete its alarms: Aodh posts without a time limit",
                )


HANGS = "takes connections and does not answer"


def _ask(place: SplitResult, timeout_s: float) -> str:
    """Return what is wrong, or an empty text."""
    try:
        port = place.port
    except ValueError as error:
        return str(error)
    connection: http.client.HTTPConnection
    if place.scheme == "https":
        # Whether it answers is asked here, not whether it is who it says.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(
            place.hostname or "", port, timeout=timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(
            place.hostname or "", port, timeout=timeout_s
        )
    try:
        connection.connect()
        connection.request("HEAD", "/")
        connection.getresponse()
    except socket.gaierror as error:
        return f"has no address: {error}"
    except TimeoutError:
        return HANGS if connection.sock is not None else "does not take connections"
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error!r}"
    finally:
        connection.close()
    return ""
