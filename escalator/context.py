"""Who asked, under which request id and for which campaign."""

from typing import Any

from oslo_context import context


class RequestContext(context.RequestContext):
    """Context of one request; travels with RPC calls without its token."""

    def __init__(self, campaign_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id

    def to_dict(self) -> dict[str, Any]:
        """Return a primitive; includes ``campaign_id``."""
        values: dict[str, Any] = super().to_dict()
        values["campaign_id"] = self.campaign_id
        return values

    def to_wire(self) -> dict[str, Any]:
        """Return what may travel on the bus: everything but the token."""
        values: dict[str, Any] = self.redacted_copy().to_dict()
        values["campaign_id"] = self.campaign_id
        values["auth_token"] = None
        return values

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> "RequestContext":
        """Build a context from what :meth:`to_wire` gave."""
        made: RequestContext = cls.from_dict(
            values, campaign_id=values.get("campaign_id")
        )
        return made


def service_context(service: str) -> RequestContext:
    """Return the context of work a service does on its own account."""
    return RequestContext(
        user_id=f"escalator-{service}", is_admin=True, overwrite=False
    )
