"""Facts and attempts by month, the function that makes their partitions, and calmer vacuuming of the queues."""

from django.db import migrations

TABLES = """
CREATE TABLE spine_fact (
    id bigserial NOT NULL,
    at timestamptz NOT NULL,
    ref_kind varchar(40) NOT NULL,
    ref_key varchar(64) NOT NULL,
    fact varchar(64) NOT NULL,
    actor varchar(80) NOT NULL,
    via varchar(32) NOT NULL,
    data jsonb,
    correlation varchar(64),
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX spine_fact_ref ON spine_fact (ref_kind, ref_key, at);
CREATE TABLE spine_fact_default PARTITION OF spine_fact DEFAULT;

CREATE TABLE spine_attempt (
    box varchar(3) NOT NULL,
    item_id bigint NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    worker varchar(64) NOT NULL,
    ended_at timestamptz,
    outcome varchar(8),
    reason text,
    PRIMARY KEY (box, item_id, number, at)
) PARTITION BY RANGE (at);
CREATE TABLE spine_attempt_default PARTITION OF spine_attempt DEFAULT;
"""

# Rows that came before their month's partition existed sit in the default one: they are moved into the new one.
FUNCTION = """
CREATE FUNCTION spine_make_partitions(since date, until date) RETURNS integer LANGUAGE plpgsql AS $body$
DECLARE
    parent text;
    part text;
    month date;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spine_make_partitions'));
    FOREACH parent IN ARRAY ARRAY['spine_fact', 'spine_attempt'] LOOP
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
SELECT spine_make_partitions((current_date - interval '4 months')::date, (current_date + interval '3 months')::date);
"""

# A queue's rows die young; swept late, the claims would wade through the dead ones.
VACUUM = """
ALTER TABLE spine_outboxmessage SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE spine_inboxevent SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);
"""


class Migration(migrations.Migration):
    dependencies = [("spine", "0001_initial")]

    operations = [
        migrations.RunSQL(TABLES, "DROP TABLE spine_fact; DROP TABLE spine_attempt"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION spine_make_partitions(date, date)"),
        migrations.RunSQL(VACUUM, migrations.RunSQL.noop),
    ]
