"""A notice may be told by a to-do."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notices', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='notice',
            name='todo',
            field=models.CharField(blank=True, db_default='', default='', help_text='The key of the to-do that tells of it.', max_length=64),
        ),
        migrations.AlterField(
            model_name='notice',
            name='sent',
            field=models.CharField(choices=[('here', 'here'), ('waiting', 'waiting'), ('sent', 'sent'), ('refused', 'refused'), ('todo', 'todo')], default='here', max_length=8),
        ),
    ]
