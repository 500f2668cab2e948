"""What the desks are compared by. Concurrently, as people may be at work."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('approval', '0002_desk'),
    ]

    operations = [
        ValidateConstraint(model_name='case', name='case_desk_or_oa'),
        AddIndexConcurrently(
            model_name='case',
            index=models.Index(models.F('desk'), models.OrderBy(models.F('checked_at'), nulls_first=True), models.F('id'), condition=models.Q(('is_agreed', False), models.Q(('desk', None), _negated=True)), name='case_to_show'),
        ),
        AddIndexConcurrently(
            model_name='case',
            index=models.Index(condition=models.Q(('desk', None), _negated=True), fields=['desk'], name='case_of_desk'),
        ),
    ]
