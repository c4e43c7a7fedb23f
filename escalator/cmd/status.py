"""escalator-status: upgrade check (RU-9) and doctor check."""

import sys
from typing import NoReturn

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_upgradecheck import common_checks, upgradecheck

from escalator import conf as options
from escalator.cmd.doctor import check
from escalator.db import schema, session


class Checks(upgradecheck.UpgradeCommands):
    """What must be true before the next release is installed."""

    def _schema(self) -> upgradecheck.Result:
        database = session.Database(cfg.CONF.database)
        with database.engine.connect() as connection:
            pending = schema.pending(connection)
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
    if sys.argv[1:3] == ["doctor", "check"]:
        sys.exit(check.main(sys.argv[3:]))
    db_options.set_defaults(cfg.CONF)
    options.register_opts(cfg.CONF)
    sys.exit(
        upgradecheck.main(
            cfg.CONF, project="escalator", upgrade_command=Checks(), argv=sys.argv[1:]
        )
    )
