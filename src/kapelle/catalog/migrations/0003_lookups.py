"""What writing orders by the ten thousand needs of the tables.

Lines belong to an order of the same workspace by a composite key: a second key to the workspace only costs time.
A workspace that came after the last ANALYZE is unknown to the statistics; the planner then expects one row for it and
reads any index that begins with workspace_id to its end. Without statistics of that column it expects a share.
"""

from django.db import migrations

_FOLLOWERS = ("order_lines", "order_statuses", "order_returns")
_TABLES = ("categories", "products", "orders", *_FOLLOWERS)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_order_returns")]

    operations = [
        *(
            migrations.RunSQL(
                f'ALTER TABLE "{table}" DROP CONSTRAINT "{table}_workspace"', reverse_sql=migrations.RunSQL.noop
            )
            for table in _FOLLOWERS
        ),
        *(
            migrations.RunSQL(
                f'ALTER TABLE "{table}" ALTER COLUMN workspace_id SET STATISTICS 0', reverse_sql=migrations.RunSQL.noop
            )
            for table in _TABLES
        ),
    ]
