"""Who is who follows from links between identifiers: an origin is an identifier, a profile is folded of facets."""

from pathlib import Path

import kapelle.kernel.ids
import kapelle.kernel.tenancy
from django.db import migrations, models

from kapelle.kernel.row_security import protect

SQL = (Path(__file__).parent / "0005_identity_links.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0004_sessions'),
        ('events', '0004_attach_partitions'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdentityBarrier',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('left_id', models.UUIDField()),
                ('right_id', models.UUIDField()),
                ('reason', models.CharField(max_length=200)),
                ('actor', models.CharField(max_length=200)),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'identity_barriers',
            },
        ),
        migrations.CreateModel(
            name='IdentityLink',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('strong_id', models.UUIDField()),
                ('weak_id', models.UUIDField()),
                ('kind', models.SmallIntegerField()),
                ('at', models.DateTimeField()),
                ('message_id', models.CharField(max_length=300)),
                ('source', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'identity_links',
            },
        ),
        migrations.CreateModel(
            name='IdentityRule',
            fields=[
                ('id', models.UUIDField(default=kapelle.kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('workspace_id', models.UUIDField(default=kapelle.kernel.tenancy.current_workspace, editable=False)),
                ('kind', models.CharField(max_length=40)),
                ('priority', models.IntegerField()),
                ('limit', models.IntegerField(null=True)),
                ('grants_access', models.BooleanField()),
                ('blocked', models.JSONField(default=list)),
                ('blocked_patterns', models.JSONField(default=list)),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'identity_rules',
            },
        ),
        migrations.RemoveIndex(
            model_name='identifier',
            name='identifiers_customer_idx',
        ),
        migrations.AddField(
            model_name='customer',
            name='linked_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='identifier',
            name='batch_id',
            field=models.BigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='identifier',
            name='facet',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='identifier',
            name='is_moved',
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='identifier',
            name='is_origin',
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='identifier',
            name='customer_id',
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name='identifier',
            index=models.Index(fields=['workspace_id', 'customer_id', 'kind'], name='identifiers_of_customer'),
        ),
        migrations.AddIndex(
            model_name='identifier',
            index=models.Index(condition=models.Q(('is_moved', True), ('is_origin', True)), fields=['batch_id'], name='identifiers_map'),
        ),
        migrations.AddConstraint(
            model_name='identifier',
            constraint=models.UniqueConstraint(fields=('workspace_id', 'id'), name='identifiers_workspace_id'),
        ),
        migrations.AddIndex(
            model_name='identitybarrier',
            index=models.Index(fields=['workspace_id', 'right_id'], name='identity_barriers_right_idx'),
        ),
        migrations.AddConstraint(
            model_name='identitybarrier',
            constraint=models.UniqueConstraint(fields=('workspace_id', 'left_id', 'right_id'), name='identity_barriers_unique'),
        ),
        migrations.AddConstraint(
            model_name='identitybarrier',
            constraint=kapelle.kernel.tenancy.CompositeForeignKey(field='left_id', name='identity_barriers_left', on_delete='CASCADE', to_table='customers'),
        ),
        migrations.AddConstraint(
            model_name='identitybarrier',
            constraint=kapelle.kernel.tenancy.CompositeForeignKey(field='right_id', name='identity_barriers_right', on_delete='CASCADE', to_table='customers'),
        ),
        migrations.AddIndex(
            model_name='identitylink',
            index=models.Index(fields=['workspace_id', 'weak_id'], name='identity_links_weak_idx'),
        ),
        migrations.AddConstraint(
            model_name='identitylink',
            constraint=models.UniqueConstraint(fields=('workspace_id', 'strong_id', 'weak_id'), name='identity_links_unique'),
        ),
        migrations.AddConstraint(
            model_name='identitylink',
            constraint=kapelle.kernel.tenancy.CompositeForeignKey(field='strong_id', name='identity_links_strong', on_delete='CASCADE', to_table='identifiers'),
        ),
        migrations.AddConstraint(
            model_name='identitylink',
            constraint=kapelle.kernel.tenancy.CompositeForeignKey(field='weak_id', name='identity_links_weak', on_delete='CASCADE', to_table='identifiers'),
        ),
        migrations.AddConstraint(
            model_name='identityrule',
            constraint=models.UniqueConstraint(fields=('workspace_id', 'kind'), name='identity_rules_unique'),
        ),
        protect("identity_links"),
        protect("identity_barriers"),
        protect("identity_rules"),
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
