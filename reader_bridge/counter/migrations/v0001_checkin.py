"""The check-in desk: encrypted records, and the tag by which a second visit is noticed."""

import sqlalchemy as sa
from alembic import op

revision = "counter_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkin_record",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_checkin_record"),
        sa.UniqueConstraint("tag", name="uq_checkin_record_tag"),
    )


def downgrade() -> None:
    op.drop_table("checkin_record")
