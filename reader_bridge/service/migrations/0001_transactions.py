"""Transactions, and the request ids that were used."""

import sqlalchemy as sa
from alembic import op

revision = "service_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bridge_transaction",
        sa.Column("id", sa.String(43), nullable=False),
        sa.Column("portal", sa.String(63), nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("arrival", sa.String(16), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("problem", sa.String(64), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bridge_transaction"),
    )
    op.create_table(
        "bridge_request_id",
        sa.Column("portal", sa.String(63), nullable=False),
        sa.Column("jti", sa.String(128), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("portal", "jti", name="pk_bridge_request_id"),
    )


def downgrade() -> None:
    op.drop_table("bridge_request_id")
    op.drop_table("bridge_transaction")
