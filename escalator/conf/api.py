"""The REST service."""

from typing import Any

from oslo_config import cfg

GROUP = "api"

OPTS = [
    cfg.HostAddressOpt("bind_host", default="127.0.0.1", help="Address to listen on."),
    cfg.PortOpt(
        "bind_port",
        default=19393,
        help="Port to listen on; 0 takes a free one (tests).",
    ),
    cfg.IntOpt(
        "threads", default=8, min=1, help="Requests served at once by one worker."
    ),
    cfg.IntOpt("workers", default=1, min=1, help="Worker processes."),
    cfg.StrOpt(
        "auth_strategy",
        default="keystone",
        choices=["keystone", "noauth"],
        help="keystone, or noauth for a first look: every request is an "
        "administrator's.",
    ),
    cfg.IntOpt("max_limit", default=1000, min=1, help="Most items of one page."),
    cfg.StrOpt(
        "tls_cert_file",
        help="PEM certificate; with tls_key_file the service speaks HTTPS.",
    ),
    cfg.StrOpt("tls_key_file", help="PEM private key."),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
