"""escalator-status: upgrade check (RU-9) and doctor check."""

import sys
from typing import NoReturn

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_upgradecheck import common_checks, upgradecheck

from escalator import conf as options
from escalator import errors
from escalator.cmd.doctor import check
from escalator.db import schema, session

USAGE = """\
usage: escalator-status [--config-file FILE ...] upgrade check [--json]
       escalator-status doctor check [--config-file FILE ...] [--os-cloud CLOUD] ...

upgrade check: what must be true before the next release is installed
doctor check:  what would keep owners from being told in time on this cloud

Each has a --help of its own.  Exit status 0: fine, 1: warnings, 2: something fails.
"""


class Checks(upgradecheck.UpgradeCommands):
    """What must be true before the next release is installed."""

    def _schema(self) -> upgradecheck.Result:
        try:
            database = session.Database(cfg.CONF.database)
            with database.engine.connect() as connection:
                pending = schema.pending(connection)
        except errors.EscalatorError as error:
            return upgradecheck.Result(upgradecheck.Code.FAILURE, str(error))
        if "expand" in pending:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                "The schema is not expanded: run escalator-db-manage upgrade --expand",
            )
        if pending:
            return upgradecheck.Result(
                upgradecheck.Code.WARNING,
                "The schema is not contracted: run it once no old service runs",
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _policy(self) -> upgradecheck.Result:
        result: upgradecheck.Result = common_checks.check_policy_json(self, cfg.CONF)
        return result

    _upgrade_checks = (
        ("Database schema", _schema),
        ("Policy file format", _policy),
    )


def main() -> NoReturn:
    """Run the checks: exit status 0 ok, 1 warning, 2 failure, 255 error."""
    words = sys.argv[1:]
    if words[:2] == ["doctor", "check"]:
        sys.exit(check.main(words[2:]))
    if words in (["-h"], ["--help"]):
        print(USAGE, end="")
        sys.exit(0)
    if not words or words[0] == "doctor":
        print(USAGE, end="", file=sys.stderr)
        sys.exit(2)
    db_options.set_defaults(cfg.CONF)
    options.register_opts(cfg.CONF)
    try:
        status = upgradecheck.main(
            cfg.CONF, project="escalator", upgrade_command=Checks(), argv=words
        )
    except cfg.Error as error:
        print(f"escalator-status: {error}", file=sys.stderr)
        status = check.ERROR_STATUS
    sys.exit(status)
