"""What came in, by connection and by paper. Built while the tables are in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("spine", "0003_exchanges")]

    operations = [
        AddIndexConcurrently(
            model_name="inboxevent",
            index=models.Index(fields=["connection", "at", "id"], name="spine_inbox_history"),
        ),
        AddIndexConcurrently(
            model_name="inboxevent",
            index=models.Index(condition=models.Q(("ref__isnull", False)), fields=["ref", "at"], name="spine_inbox_ref"),
        ),
    ]
