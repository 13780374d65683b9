"""An order's origin is the identifier that it came for."""

from django.db import migrations

import kapelle.kernel.tenancy


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_lookups"), ("customers", "0005_identity_links")]

    operations = [
        migrations.RemoveConstraint(model_name="order", name="orders_origin"),
        migrations.AddConstraint(
            model_name="order",
            constraint=kapelle.kernel.tenancy.CompositeForeignKey(
                field="origin_id", name="orders_origin", on_delete="SET NULL", to_table="identifiers"
            ),
        ),
    ]
