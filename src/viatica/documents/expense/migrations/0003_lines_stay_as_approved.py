"""No line may come, go or change once its report was handed in: what was approved is what gets paid."""

from django.db import migrations

CREATE = """
CREATE FUNCTION expense_line_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM expense_expensereport
        WHERE id = COALESCE(NEW.report_id, OLD.report_id) AND state NOT IN ('draft', 'returned')
    ) THEN
        RAISE EXCEPTION 'the lines of a report that was handed in do not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'line_of_open_report';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER line_of_open_report BEFORE INSERT OR UPDATE OR DELETE ON expense_expenseline
    FOR EACH ROW EXECUTE FUNCTION expense_line_guard();
"""
DROP = """
DROP TRIGGER line_of_open_report ON expense_expenseline;
DROP FUNCTION expense_line_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("expense", "0002_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
