"""escalator-status doctor check against a real Aodh (issue 3, part 6)."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from tests.cloud import base


class TestCheck(base.CloudTestCase):
    def alarm(self, url, **condition):
        query = {"field": "traits.x", "op": "eq", "type": "string", "value": "true"}
        body = {
            "name": base.unique("check"),
            "type": "event",
            "alarm_actions": [url],
            "event_rule": {"event_type": "none", "query": [query | condition]},
        }
        where = {"service_type": "alarming"}
        made = self.connection.session.post(
            "/v2/alarms", json=body, endpoint_filter=where
        ).json()["alarm_id"]
        self.addCleanup(
            self.connection.session.delete,
            f"/v2/alarms/{made}",
            endpoint_filter=where,
        )
        return made

    def test_aodhs_queue(self):
        """Escalator's own file names the bus; the listener reads its queue."""
        with tempfile.TemporaryDirectory() as folder:
            conf = pathlib.Path(folder, "escalator.conf")
            text = f"[notifier]\naodh_transport_url = {self.transport_url()}\n"
            conf.write_text(text)
            _, told = self.check("--config-file", str(conf))
            self.assertIn("Aodh's queue is read", told)
            conf.write_text(text + "aodh_topic = nobody\n")
            status, told = self.check("--config-file", str(conf))
        self.assertEqual(2, status)
        self.assertIn("Nobody reads the queue nobody.sample", told)

    def check(self, *more):
        program = str(pathlib.Path(sys.prefix, "bin", "escalator-status"))
        done = subprocess.run(
            [program, "doctor", "check", "--timeout-s", "1", *more],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "COLUMNS": "250"},
        )
        return done.returncode, done.stdout

    def test_bad_alarms_and_hung_consumers_are_named(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as hung:
            port = hung.getsockname()[1]
            boolean = self.alarm(f"http://127.0.0.1:{port}/a", type="boolean")
            wrong = self.alarm("http://127.0.0.1:1/b", field="message_id")
            status, told = self.check()
        self.assertEqual(2, status, told)
        self.assertIn(f"alarm {boolean} ", told)
        self.assertIn("silences every event alarm", told)
        self.assertIn(f"alarm {wrong} ", told)
        self.assertIn(
            f"http://127.0.0.1:{port} takes connections and does not answer", told
        )
        self.assertIn("http://127.0.0.1:1 does not answer", told)

    def test_what_cannot_be_looked_at_is_not_fine(self):
        status, told = self.check()
        self.assertIn("Not looked at", told)
        self.assertGreaterEqual(status, 1)
