"""Nothing is left to drop in the first release."""

revision = "0001c"
down_revision = None
branch_labels = ("contract",)
depends_on = None


def upgrade() -> None:
    """Do nothing."""
