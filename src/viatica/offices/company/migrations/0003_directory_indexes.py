"""What the merge looks people up by. Concurrently, as people may be at work."""

import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('company', '0002_directory'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='employee',
            index=models.Index(models.Func(models.F('mobile'), function='company_mobile', output_field=models.TextField()), condition=models.Q(('mobile', ''), _negated=True), name='employee_mobile'),
        ),
        AddIndexConcurrently(
            model_name='outsideidentity',
            index=models.Index(models.F('connection'), django.db.models.functions.text.Lower('userid'), name='identity_userid'),
        ),
        AddIndexConcurrently(
            model_name='outsideidentity',
            index=models.Index(condition=models.Q(('unionid', ''), _negated=True), fields=['unionid'], name='identity_unionid'),
        ),
    ]
