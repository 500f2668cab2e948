from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payment", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE payment_batch_number AS bigint",
            reverse_sql="DROP SEQUENCE payment_batch_number",
        )
    ]
