"""Exchanges by month, what became of each capability, what was used of each quota, and the paper of an event."""

import django.db.models.deletion
from django.db import migrations, models

TABLE = """
CREATE TABLE spine_exchange (
    id bigserial NOT NULL,
    at timestamptz NOT NULL,
    connection_id bigint,
    capability varchar(20) NOT NULL,
    method varchar(10) NOT NULL,
    path varchar(300) NOT NULL,
    status smallint,
    ms integer NOT NULL,
    request text NOT NULL,
    answer text NOT NULL,
    error varchar(80) NOT NULL,
    correlation varchar(64),
    ref_kind varchar(40),
    ref_key varchar(64),
    box varchar(3),
    item_id bigint,
    left_out integer NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX spine_exchange_history ON spine_exchange (connection_id, at, id);
CREATE INDEX spine_exchange_failed ON spine_exchange (connection_id, at, id) WHERE error <> '';
CREATE INDEX spine_exchange_ref ON spine_exchange (ref_key, ref_kind, at, id) WHERE ref_key IS NOT NULL;
CREATE INDEX spine_exchange_age ON spine_exchange USING brin (at);
CREATE TABLE spine_exchange_default PARTITION OF spine_exchange DEFAULT;
"""

# As in 0002, with one more table. Rows that came before their month's partition existed sit in the default one: they
# are moved into the new one.
FUNCTION = """
CREATE OR REPLACE FUNCTION spine_make_partitions(since date, until date) RETURNS integer LANGUAGE plpgsql AS $body$
DECLARE
    parent text;
    part text;
    month date;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spine_make_partitions'));
    FOREACH parent IN ARRAY ARRAY[{parents}] LOOP
        month := date_trunc('month', since::timestamp)::date;
        WHILE month <= until LOOP
            part := parent || to_char(month, '_YYYY_MM');
            IF to_regclass(part) IS NULL THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
                EXECUTE format(
                    'WITH moved AS (DELETE FROM %I WHERE at >= %L AND at < %L RETURNING *)
                     INSERT INTO %I SELECT * FROM moved',
                    parent || '_default',
                    month::timestamp AT TIME ZONE 'UTC',
                    (month + interval '1 month')::timestamp AT TIME ZONE 'UTC',
                    part
                );
                EXECUTE format(
                    'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    parent, part,
                    month::timestamp AT TIME ZONE 'UTC',
                    (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
                );
                IF parent = 'spine_attempt' THEN
                    EXECUTE format('ALTER TABLE %I SET (fillfactor = 80)', part);
                END IF;
                made := made + 1;
            END IF;
            month := (month + interval '1 month')::date;
        END LOOP;
    END LOOP;
    RETURN made;
END
$body$;
"""
WITH_EXCHANGES = FUNCTION.replace("{parents}", "'spine_fact', 'spine_attempt', 'spine_exchange'")
WITHOUT_EXCHANGES = FUNCTION.replace("{parents}", "'spine_fact', 'spine_attempt'")
MAKE = "SELECT spine_make_partitions(current_date, (current_date + interval '3 months')::date);"


class Migration(migrations.Migration):
    dependencies = [("spine", "0002_partitions")]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE spine_exchange"),
        migrations.RunSQL(WITH_EXCHANGES + MAKE, WITHOUT_EXCHANGES),
        migrations.CreateModel(
            name="Exchange",
            fields=[
                ("pk", models.CompositePrimaryKey("id", "at", blank=True, editable=False, primary_key=True, serialize=False)),
                ("id", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("connection_id", models.BigIntegerField(null=True)),
                ("capability", models.CharField(max_length=20)),
                ("method", models.CharField(max_length=10)),
                ("path", models.CharField(max_length=300)),
                ("status", models.SmallIntegerField(help_text="None: no answer came.", null=True)),
                ("ms", models.IntegerField()),
                ("request", models.TextField()),
                ("answer", models.TextField()),
                ("error", models.CharField(help_text="Our code, or the product's own; empty when it went well.", max_length=80)),
                ("correlation", models.CharField(max_length=64, null=True)),
                ("ref_kind", models.CharField(max_length=40, null=True)),
                ("ref_key", models.CharField(max_length=64, null=True)),
                ("box", models.CharField(max_length=3, null=True)),
                ("item_id", models.BigIntegerField(null=True)),
                ("left_out", models.IntegerField()),
            ],
            options={"db_table": "spine_exchange", "managed": False},
        ),
        migrations.CreateModel(
            name="Capability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="approval, desk, messages, todo, directory, sign_in …", max_length=20)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("error", models.TextField(help_text="Why it failed last.")),
                ("connection", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="capabilities", to="spine.connection")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("connection", "name"), name="spine_capability_once")],
            },
        ),
        migrations.CreateModel(
            name="QuotaUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("since", models.DateField()),
                ("used", models.BigIntegerField()),
                ("connection", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="quota_uses", to="spine.connection")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("connection", "name", "since"), name="spine_quota_once")],
            },
        ),
        migrations.AddField(
            model_name="inboxevent",
            name="ref",
            field=models.CharField(help_text="The paper it turned out to be about.", max_length=120, null=True),
        ),
    ]
