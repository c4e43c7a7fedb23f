"""The example of the contributor guide; a test runs it."""

# begin
from escalator import errors
from escalator.drivers import base


class Enable(base.Action):
    """Enables and starts a systemd unit."""

    params_schema = {
        "type": "object",
        "properties": {"unit": {"type": "string", "pattern": "^[a-z][a-z0-9@.-]*$"}},
        "required": ["unit"],
        "additionalProperties": False,
    }

    def __init__(self, resources):
        self.jobs = resources["jobs"]

    def run(self, order):
        found = self.detect(order)
        if found is None:
            found = {"unit": order.params["unit"]}
            argv = ["systemctl", "enable", "--now", found["unit"]]
            done = self.jobs.run(order, "enable", argv, order.timeout_s)
            if done.returncode != 0:
                raise errors.ActionFailed(action="unit.enable", reason=done.output)
        return found

    def detect(self, order):
        argv = ["systemctl", "is-enabled", "--quiet", order.params["unit"]]
        asked = self.jobs.run(order, "ask", argv, order.timeout_s)
        return {"unit": order.params["unit"]} if asked.returncode == 0 else None


# end
