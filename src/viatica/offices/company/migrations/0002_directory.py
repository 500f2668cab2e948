"""The directory's tables; histories kept once a statement; employee numbers as long as an OA's ids."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# A mobile as numbers are compared: digits only, without China's country code.
MOBILE = r"""
CREATE FUNCTION company_mobile(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(regexp_replace(said, '\D', '', 'g'), '^(00)?86(?=1\d{10}$)', '');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('company', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('spine', '0002_partitions'),
    ]

    operations = [
        migrations.RunSQL(MOBILE, "DROP FUNCTION company_mobile(text)"),
        migrations.CreateModel(
            name='DepartmentIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outside_id', models.CharField(max_length=128)),
            ],
        ),
        migrations.CreateModel(
            name='DepartmentIdentityEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('outside_id', models.CharField(max_length=128)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='DirectoryConflict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('userid', models.CharField(max_length=128)),
                ('name', models.CharField(max_length=60)),
                ('reason', models.CharField(max_length=16)),
                ('others', models.JSONField(default=list)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='DirectoryDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('userid', models.CharField(max_length=128)),
                ('verdict', models.CharField(choices=[('is', 'is'), ('apart', 'apart'), ('out', 'out')], max_length=5)),
                ('decided_by', models.CharField(max_length=80)),
                ('decided_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='DirectoryDecisionEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('userid', models.CharField(max_length=128)),
                ('verdict', models.CharField(choices=[('is', 'is'), ('apart', 'apart'), ('out', 'out')], max_length=5)),
                ('decided_by', models.CharField(max_length=80)),
                ('decided_at', models.DateTimeField()),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='DirectoryDifference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(choices=[('department', 'department'), ('person', 'person')], max_length=10)),
                ('kind', models.CharField(choices=[('added', 'added'), ('back', 'back'), ('moved', 'moved'), ('renamed', 'renamed'), ('changed', 'changed'), ('gone', 'gone'), ('linked', 'linked')], max_length=8)),
                ('outside_id', models.CharField(help_text="The userid, or the department's id over there.", max_length=128)),
                ('name', models.CharField(max_length=120)),
                ('place', models.CharField(blank=True, help_text='The department a person is in.', max_length=120)),
                ('changes', models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='DirectoryRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.CharField(choices=[('full', 'full'), ('part', 'part')], default='full', max_length=4)),
                ('state', models.CharField(choices=[('reading', 'reading'), ('staged', 'staged'), ('applied', 'applied'), ('refused', 'refused'), ('discarded', 'discarded'), ('failed', 'failed')], default='reading', max_length=9)),
                ('started_by', models.CharField(max_length=80)),
                ('started_at', models.DateTimeField()),
                ('read_at', models.DateTimeField(null=True)),
                ('ended_by', models.CharField(blank=True, help_text='Who had it applied or discarded.', max_length=80)),
                ('ended_at', models.DateTimeField(null=True)),
                ('departments', models.PositiveIntegerField(default=0, help_text='Read.')),
                ('people', models.PositiveIntegerField(default=0, help_text='Read.')),
                ('counts', models.JSONField(default=dict)),
                ('problem', models.TextField(blank=True, help_text='Why it was refused or failed: an English msgid.')),
                ('problem_hint', models.TextField(blank=True)),
                ('problem_code', models.CharField(blank=True, max_length=64)),
                ('problem_params', models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='StagedDepartment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outside_id', models.CharField(max_length=128)),
                ('parent_id', models.CharField(blank=True, max_length=128)),
                ('name', models.CharField(blank=True, max_length=120)),
                ('head_userid', models.CharField(blank=True, max_length=128)),
                ('is_gone', models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name='StagedMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('userid', models.CharField(max_length=128)),
                ('name', models.CharField(blank=True, max_length=60)),
                ('unionid', models.CharField(blank=True, max_length=128)),
                ('number', models.CharField(blank=True, max_length=64)),
                ('mobile', models.CharField(blank=True, max_length=20)),
                ('mobile_key', models.CharField(blank=True, max_length=20)),
                ('email', models.CharField(blank=True, max_length=254)),
                ('title', models.CharField(blank=True, max_length=60)),
                ('department_ids', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=128), default=list, size=None)),
                ('manager_userid', models.CharField(blank=True, max_length=128)),
                ('is_active', models.BooleanField(default=True)),
            ],
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='costcenter',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='costcenter',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='delegation',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='delegation',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='department',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='department',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='employee',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='employee',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='grade',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='grade',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='legalentity',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='legalentity',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='outsideidentity',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='outsideidentity',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='project',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='project',
            name='update_update',
        ),
        migrations.AlterField(
            model_name='employee',
            name='number',
            field=models.CharField(max_length=64, unique=True),
        ),
        migrations.AlterField(
            model_name='employeeevent',
            name='number',
            field=models.CharField(max_length=64),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='costcenter',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_costcenterevent" ("code", "id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."code", new_values."id", new_values."is_active", new_values."name", new_values."owner_id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='ee29a79dfcc667c23caf532f7f44adce92dd2b6e', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_b9e9b', referencing='REFERENCING NEW TABLE AS new_values ', table='company_costcenter', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='costcenter',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_costcenterevent" ("code", "id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."code", new_values."id", new_values."is_active", new_values."name", new_values."owner_id", _pgh_attached_context.value, NOW(), \'update\', new_values."id" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='78e69384f5d2d2979326d309bef5b0a75adc8f33', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_5e4b2', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_costcenter', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='delegation',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_delegationevent" ("delegate_id", "ends_at", "id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "principal_id", "starts_at") SELECT new_values."delegate_id", new_values."ends_at", new_values."id", new_values."kind", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."principal_id", new_values."starts_at" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='d06c8377c41ec2be023a8035b4d7f66cddf42d4b', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_cba31', referencing='REFERENCING NEW TABLE AS new_values ', table='company_delegation', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='delegation',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_delegationevent" ("delegate_id", "ends_at", "id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "principal_id", "starts_at") SELECT new_values."delegate_id", new_values."ends_at", new_values."id", new_values."kind", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."principal_id", new_values."starts_at" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='e5e29708c98eb7ec4719879c1036bcb451500e74', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_a2c2b', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_delegation', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='department',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_departmentevent" ("cost_center_id", "entity_id", "head_id", "id", "is_active", "name", "parent_id", "path", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."cost_center_id", new_values."entity_id", new_values."head_id", new_values."id", new_values."is_active", new_values."name", new_values."parent_id", new_values."path", _pgh_attached_context.value, NOW(), \'insert\', new_values."id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='8e17bdaba6ff7653c73a3e12da98052fa1636ce8', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_48b65', referencing='REFERENCING NEW TABLE AS new_values ', table='company_department', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='department',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_departmentevent" ("cost_center_id", "entity_id", "head_id", "id", "is_active", "name", "parent_id", "path", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."cost_center_id", new_values."entity_id", new_values."head_id", new_values."id", new_values."is_active", new_values."name", new_values."parent_id", new_values."path", _pgh_attached_context.value, NOW(), \'update\', new_values."id" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='4fb29e127b5937be422a067eeb7b9eecdcdb0ccd', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_77a03', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_department', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='employee',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_employeeevent" ("bank_account", "bank_name", "department_id", "email", "entity_id", "grade_id", "id", "is_active", "manager_id", "mobile", "name", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "title") SELECT new_values."bank_account", new_values."bank_name", new_values."department_id", new_values."email", new_values."entity_id", new_values."grade_id", new_values."id", new_values."is_active", new_values."manager_id", new_values."mobile", new_values."name", new_values."number", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."title" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='2d4a148d24686f5a1987443f176395267363e8e0', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_726c2', referencing='REFERENCING NEW TABLE AS new_values ', table='company_employee', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='employee',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_employeeevent" ("bank_account", "bank_name", "department_id", "email", "entity_id", "grade_id", "id", "is_active", "manager_id", "mobile", "name", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "title") SELECT new_values."bank_account", new_values."bank_name", new_values."department_id", new_values."email", new_values."entity_id", new_values."grade_id", new_values."id", new_values."is_active", new_values."manager_id", new_values."mobile", new_values."name", new_values."number", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."title" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='a5e0cea203e50781ac5b47586c11100a2c2128a5', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_d190c', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_employee', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='grade',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_gradeevent" ("code", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rank") SELECT new_values."code", new_values."id", new_values."name", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."rank" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='3b0f5930df1eba2ab72e7c0abfb189db43c398b0', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_32dba', referencing='REFERENCING NEW TABLE AS new_values ', table='company_grade', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='grade',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_gradeevent" ("code", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rank") SELECT new_values."code", new_values."id", new_values."name", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."rank" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='6b70b9d5d3b87bb70857bdb5b72ed1e5b1e812b8', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_9eb29', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_grade', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='legalentity',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_legalentityevent" ("bank_account", "bank_name", "code", "connection_id", "currency", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tax_id") SELECT new_values."bank_account", new_values."bank_name", new_values."code", new_values."connection_id", new_values."currency", new_values."id", new_values."name", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."tax_id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='b4e076a3d5d9a13eefd02c6b61a54cf19f34982d', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_d3ad2', referencing='REFERENCING NEW TABLE AS new_values ', table='company_legalentity', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='legalentity',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_legalentityevent" ("bank_account", "bank_name", "code", "connection_id", "currency", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tax_id") SELECT new_values."bank_account", new_values."bank_name", new_values."code", new_values."connection_id", new_values."currency", new_values."id", new_values."name", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."tax_id" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='88c3a1dea53835482bafc6659b71a5db592ca1a8', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_85e5c', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_legalentity', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='outsideidentity',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_outsideidentityevent" ("connection_id", "dept_id", "employee_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "unionid", "userid") SELECT new_values."connection_id", new_values."dept_id", new_values."employee_id", new_values."id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."unionid", new_values."userid" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='9b1139224663f98aebca189f766e3c9e1bf71f9e', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_c03fb', referencing='REFERENCING NEW TABLE AS new_values ', table='company_outsideidentity', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='outsideidentity',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_outsideidentityevent" ("connection_id", "dept_id", "employee_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "unionid", "userid") SELECT new_values."connection_id", new_values."dept_id", new_values."employee_id", new_values."id", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."unionid", new_values."userid" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='327bd0421400b94a3dd309bc238b9c62934e8db8', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_5fb1d', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_outsideidentity', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='project',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_projectevent" ("code", "id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."code", new_values."id", new_values."is_active", new_values."name", new_values."owner_id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='06c3398591110e8b6372375b21e9271cfd8ac6d2', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_77a69', referencing='REFERENCING NEW TABLE AS new_values ', table='company_project', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='project',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_projectevent" ("code", "id", "is_active", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."code", new_values."id", new_values."is_active", new_values."name", new_values."owner_id", _pgh_attached_context.value, NOW(), \'update\', new_values."id" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='ad6ae669b1b20bee59e42e370e975b852cd2d372', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_2cc9d', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_project', when='AFTER')),
        ),
        migrations.AddField(
            model_name='departmentidentity',
            name='connection',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='departmentidentity',
            name='department',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identities', to='company.department'),
        ),
        migrations.AddField(
            model_name='departmentidentityevent',
            name='connection',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='departmentidentityevent',
            name='department',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='company.department'),
        ),
        migrations.AddField(
            model_name='departmentidentityevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='departmentidentityevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='company.departmentidentity'),
        ),
        migrations.AddField(
            model_name='directoryconflict',
            name='connection',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='directorydecision',
            name='connection',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='directorydecision',
            name='employee',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='company.employee'),
        ),
        migrations.AddField(
            model_name='directorydecisionevent',
            name='connection',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='directorydecisionevent',
            name='employee',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='company.employee'),
        ),
        migrations.AddField(
            model_name='directorydecisionevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='directorydecisionevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='company.directorydecision'),
        ),
        migrations.AddField(
            model_name='directoryrun',
            name='connection',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='spine.connection'),
        ),
        migrations.AddField(
            model_name='directorydifference',
            name='run',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='differences', to='company.directoryrun'),
        ),
        migrations.AddField(
            model_name='stageddepartment',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='company.directoryrun'),
        ),
        migrations.AddField(
            model_name='stagedmember',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='company.directoryrun'),
        ),
        migrations.AddConstraint(
            model_name='departmentidentity',
            constraint=models.UniqueConstraint(fields=('connection', 'outside_id'), name='one_department_per_outside_id'),
        ),
        migrations.AddConstraint(
            model_name='departmentidentity',
            constraint=models.UniqueConstraint(fields=('department', 'connection'), name='one_outside_id_per_department'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='departmentidentity',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_departmentidentityevent" ("connection_id", "department_id", "id", "outside_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."connection_id", new_values."department_id", new_values."id", new_values."outside_id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='65d1bc5630ca906a240aa01b0697f255897f70e8', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_e8f3c', referencing='REFERENCING NEW TABLE AS new_values ', table='company_departmentidentity', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='departmentidentity',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_departmentidentityevent" ("connection_id", "department_id", "id", "outside_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") SELECT new_values."connection_id", new_values."department_id", new_values."id", new_values."outside_id", _pgh_attached_context.value, NOW(), \'update\', new_values."id" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='773ed07db25029ec20b5582773f57db6be8d104c', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_403ed', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_departmentidentity', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='directoryconflict',
            index=models.Index(fields=['connection', '-id'], name='directory_conflict_latest'),
        ),
        migrations.AddConstraint(
            model_name='directoryconflict',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('connection', 'userid'), name='one_open_directory_conflict'),
        ),
        migrations.AddConstraint(
            model_name='directorydecision',
            constraint=models.UniqueConstraint(models.F('connection'), django.db.models.functions.text.Lower('userid'), name='one_directory_decision'),
        ),
        migrations.AddConstraint(
            model_name='directorydecision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('employee__isnull', False), ('verdict', 'is')), models.Q(models.Q(('verdict', 'is'), _negated=True), ('employee__isnull', True)), _connector='OR'), name='directory_decision_names_who'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='directorydecision',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_directorydecisionevent" ("connection_id", "decided_at", "decided_by", "employee_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "userid", "verdict") SELECT new_values."connection_id", new_values."decided_at", new_values."decided_by", new_values."employee_id", new_values."id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."userid", new_values."verdict" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='a5bbf5949a748f2fbab3157fadaad40b2313565d', level='STATEMENT', operation='INSERT', pgid='pgtrigger_insert_insert_4439c', referencing='REFERENCING NEW TABLE AS new_values ', table='company_directorydecision', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='directorydecision',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "company_directorydecisionevent" ("connection_id", "decided_at", "decided_by", "employee_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "userid", "verdict") SELECT new_values."connection_id", new_values."decided_at", new_values."decided_by", new_values."employee_id", new_values."id", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."userid", new_values."verdict" FROM ( SELECT new_values.* FROM (SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values ) AS new_values, _pgh_attached_context; RETURN NULL;', hash='135eace5f88beabceb1a5a32bd07cf998dba8749', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_update_update_747d1', referencing='REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ', table='company_directorydecision', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='directoryrun',
            index=models.Index(fields=['connection', 'scope', '-id'], name='directory_run_latest'),
        ),
        migrations.AddIndex(
            model_name='directoryrun',
            index=models.Index(fields=['state', 'started_at'], name='directory_run_state'),
        ),
        migrations.AddConstraint(
            model_name='directoryrun',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'reading')), fields=('connection',), name='one_directory_reading'),
        ),
        migrations.AddIndex(
            model_name='directorydifference',
            index=models.Index(fields=['run', 'subject', 'kind', 'id'], name='directory_difference_page'),
        ),
    ]
