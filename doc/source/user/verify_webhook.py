"""The example of the user guide; a test runs it against the product."""

# begin
import hashlib
import hmac
import time

TOLERANCE_S = 300


def is_genuine(secret: str, headers, body: bytes, now=time.time) -> bool:
    """Tell whether a request came from Escalator, and is no replay."""
    stamp = headers["X-Escalator-Timestamp"]
    wanted = hmac.new(
        secret.encode(), stamp.encode() + b"." + body, hashlib.sha256
    ).hexdigest()
    given = headers["X-Escalator-Signature"].removeprefix("v1=")
    is_fresh = abs(now() - float(stamp)) <= TOLERANCE_S
    return is_fresh and hmac.compare_digest(wanted, given)


# end
