from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The changes of one product in the order in which they are read."""

    dependencies = [("catalog", "0007_changes_in_order")]

    operations = [
        migrations.RemoveIndex(model_name="productchange", name="product_changes_product"),
        migrations.AddIndex(
            model_name="productchange",
            index=models.Index(
                fields=["workspace_id", "product_external_id", "batch_id", "id"], name="product_changes_product"
            ),
        ),
    ]
