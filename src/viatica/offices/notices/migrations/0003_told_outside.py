"""What a paper's cards and to-dos are found by. Concurrently, as people may be at work."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('notices', '0002_todo'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='notice',
            index=models.Index(condition=models.Q(('connection', None), _negated=True), fields=['ref_kind', 'ref_key'], name='notice_told_outside'),
        ),
        RemoveIndexConcurrently(model_name='notice', name='notice_cards'),
    ]
