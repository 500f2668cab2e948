"""Truths about every table, ours and to come."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

# Columns of foreign keys that no index begins with. An index on part of the rows serves a delete only when the part is
# "not null".
_UNINDEXED = """
SELECT r.relname || '.' || a.attname
  FROM pg_constraint c
  JOIN pg_class r ON r.oid = c.conrelid
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'f' AND r.relnamespace = 'public'::regnamespace
   AND NOT EXISTS (
       SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]
          AND (i.indpred IS NULL
               OR pg_get_expr(i.indpred, i.indrelid) IN (
                   format('(%I IS NOT NULL)', a.attname), format('(NOT (%I IS NULL))', a.attname))))
 ORDER BY 1
"""


@pytest.mark.django_db
def test_every_foreign_key_of_ours_has_an_index() -> None:
    ours = {
        model._meta.db_table
        for config in apps.get_app_configs()
        if config.name.startswith("viatica.")
        for model in config.get_models()
        # The histories kept by triggers are only ever read by their own key.
        if not model.__name__.endswith("Event") or model.__module__.endswith("spine.models")
    }
    with connection.cursor() as cursor:
        cursor.execute(_UNINDEXED)
        unindexed = [name for (name,) in cursor.fetchall() if name.split(".")[0] in ours]
    assert unindexed == []
