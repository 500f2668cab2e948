"""Cases that run here and show on an OA's desk, and approvals taken back there."""

import django.contrib.postgres.operations
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approval', '0001_initial'),
        ('spine', '0002_partitions'),
    ]

    operations = [
        migrations.AddField(
            model_name='case',
            name='desk',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Runs here; this OA shows its tasks (mode B).', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='case',
            name='desk_handle',
            field=models.TextField(blank=True, db_default='', default='', help_text="The desk's own, of the case."),
        ),
        migrations.AddField(
            model_name='case',
            name='shown_version',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='The version the desk was last brought up to.'),
        ),
        migrations.AddField(
            model_name='case',
            name='undone_at',
            field=models.DateTimeField(blank=True, help_text='Approved here, and later taken back in the OA: nothing may be paid.', null=True),
        ),
        migrations.AddField(
            model_name='item',
            name='desk_handle',
            field=models.TextField(blank=True, db_default='', default='', help_text="The desk's own, of the task."),
        ),
        migrations.AddField(
            model_name='item',
            name='is_told',
            field=models.BooleanField(db_default=False, default=False, help_text='A message or to-do of ours in an OA tells of it.'),
        ),
        migrations.AlterField(
            model_name='item',
            name='userid',
            field=models.CharField(blank=True, help_text='In the OA: asked, or shown to.', max_length=128),
        ),
        django.contrib.postgres.operations.AddConstraintNotValid(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(('desk', None), ('sent', 'in_house'), _connector='OR'), name='case_desk_or_oa'),
        ),
    ]
