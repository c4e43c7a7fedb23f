"""The virtual infrastructure manager."""

from typing import Any

from oslo_config import cfg

GROUP = "vim"

OPTS = [
    cfg.StrOpt("driver", default="simulated", help="Entry point in escalator.vim."),
    cfg.StrOpt(
        "host_facts",
        help="YAML file of what the VIM does not know of its hosts: address, rack,"
        " role, tags, groups; may name hosts that the VIM has not.",
    ),
    cfg.StrOpt(
        "simulated_path",
        default="/var/lib/escalator/vim.sqlite",
        help="File of the simulated VIM, shared by the processes of one machine.",
    ),
    cfg.StrOpt(
        "simulated_inventory",
        help="YAML file of hosts and instances that fills a new simulated VIM.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
