"""The agent on a node."""

from typing import Any

from oslo_config import cfg

GROUP = "agent"

OPTS = [
    cfg.StrOpt(
        "host",
        sample_default="<hostname>",
        help="Name of the host that this agent acts on; must equal the VIM's name of "
        "the host. Empty: the machine's host name.",
    ),
    cfg.StrOpt(
        "instance",
        default="0",
        help="Tells two agents of one host apart; part of the queue names.",
    ),
    cfg.ListOpt(
        "capabilities",
        default=["node"],
        item_type=cfg.types.String(choices=["node", "vim"]),
        help="What this agent may execute: steps on its own host (node), or calls to "
        "the VIM (vim).",
    ),
    cfg.StrOpt(
        "action_namespace",
        default="escalator.action",
        help="Entry-point group of the actions; escalator.action.simulated for a fleet"
        " without real nodes.",
    ),
    cfg.StrOpt(
        "checkpoint_namespace",
        default="escalator.checkpoint",
        help="Entry-point group of the checkpoint drivers.",
    ),
    cfg.StrOpt(
        "collector_namespace",
        default="escalator.collector",
        help="Entry-point group of what reads statistics and logs for a preflight.",
    ),
    cfg.ListOpt(
        "log_files",
        default=[],
        help="Log files, with ISO 8601 times, of which a preflight is told how many "
        "lines of the last 15 minutes are errors; beside systemd's journal.",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/escalator/agent",
        help="Directory of the journal and the jobs; must survive a reboot.",
    ),
    cfg.FloatOpt(
        "heartbeat_interval_s",
        default=1.0,
        min=0.05,
        help="Seconds between heartbeats; each is dropped by the broker after two "
        "intervals.",
    ),
    cfg.IntOpt(
        "max_parallel_steps",
        default=4,
        min=1,
        help="Steps that may run at once on this agent.",
    ),
    cfg.ListOpt(
        "watched_packages",
        default=[],
        help="Packages whose installed version is told in the heartbeat's facts.",
    ),
    cfg.DictOpt(
        "virtual_addresses",
        default={},
        help="name:address of the virtual addresses that this node may hold; the "
        "heartbeat's facts tell whether it does (facts.virtual_address.NAME).",
    ),
    cfg.StrOpt(
        "facts_path",
        default="",
        help="Directory of JSON files, NAME.json, in which programs of the node keep"
        ' facts of it, such as {"ha": {"active": true}}; told in the heartbeat. Empty:'
        " none.",
    ),
    cfg.ListOpt(
        "writable_paths",
        default=[],
        help="Directories below which file.render and rpc_pin.set may write. Empty: "
        "nowhere.",
    ),
    cfg.StrOpt(
        "template_path",
        default="",
        help="Directory of the templates that file.render may name.",
    ),
    cfg.StrOpt(
        "services",
        default="",
        help="YAML file of the services that run without systemd: name: argv, "
        "pid_file, and if wanted user, stop_timeout, settle (seconds).",
    ),
    cfg.StrOpt(
        "allowed_commands",
        default="",
        help="YAML file of the commands that command.run may run: name: argv, "
        "idempotence, and if wanted arguments, timeout (seconds), check, undo, "
        "exit_codes.",
    ),
    cfg.StrOpt(
        "database_profiles",
        default="",
        help="YAML file of the profiles of database.*: name: expand, migrate, "
        "contract, shrink, verify, each with argv, and if wanted check and exit_codes.",
    ),
    cfg.StrOpt(
        "playbook_path",
        default="",
        help="Directory of the playbooks that playbook.run may run.",
    ),
    cfg.ListOpt(
        "reboot_command",
        default=["systemctl", "reboot"],
        help="Program and arguments by which host.reboot asks the system to reboot.",
    ),
    cfg.StrOpt(
        "boot_id_path",
        default="/proc/sys/kernel/random/boot_id",
        help="File whose content differs after every boot.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register this section's options on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the section for the sample generator."""
    return [(GROUP, OPTS)]
