"""Mode A, before anything is decided: what a form over there takes, and what is said when it does not."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import LazySettings
from PIL import Image

from viatica.connectors.conformance.approval import not_there, under_way
from viatica.connectors.conformance.rig import GONE, OA, Rig
from viatica.connectors.testing import form
from viatica.kernel import clock
from viatica.offices.approval.ports import Attachment
from viatica.offices.archive import services as archive
from viatica.offices.company.models import OutsideIdentity
from viatica.spine import replays
from viatica.spine.models import Issue, OutboxMessage

MENDED = ["case.opened", "message.parked", "message.replayed", "case.sent"]
RARE = "𠮷野家午餐🍜，𡈽佐料理"


def replay(rig: Rig[OA], message: OutboxMessage) -> None:
    replays.replay(message_id=message.pk, actor="system", via="web", at=clock.now())
    rig.work()


class FormStories:
    def test_an_applicant_without_an_account_is_named_and_waits(self, rig: Rig[Any]) -> None:
        identity = OutsideIdentity.objects.get(employee=rig.office.applicant)
        identity.delete()
        ref = rig.open()
        rig.work()
        message = not_there(rig, ref, "parked")
        assert rig.office.applicant.name in message.reason
        (issue,) = Issue.objects.filter(kind="approval.not_linked")
        assert [wait.ref for wait in issue.waits.all()] == [str(ref)]
        OutsideIdentity.objects.create(
            employee=identity.employee, connection=identity.connection, userid=identity.userid, dept_id=identity.dept_id
        )  # fmt: skip
        replay(rig, message)
        under_way(rig, ref, MENDED)
        issue.refresh_from_db()
        assert issue.closed_at is not None

    def test_a_template_that_changed_under_us_is_named_and_the_paper_goes_once_it_is_mended(
        self, rig: Rig[Any]
    ) -> None:
        connection = rig.office.connection
        fields = connection.settings["forms"]["paper"]["fields"]
        right = fields["reason"]
        fields["reason"] = rig.misplaced(right)
        connection.save()
        ref = rig.open()
        rig.work()
        message = not_there(rig, ref, "parked")
        assert GONE in message.reason and message.hint
        fields["reason"] = right
        connection.save()
        replay(rig, message)
        under_way(rig, ref, MENDED)

    def test_rare_characters_arrive_whole(self, rig: Rig[Any]) -> None:
        ref = rig.open(paper=form(reason=RARE))
        rig.work()
        under_way(rig, ref)
        (instance,) = rig.there(ref)
        assert rig.text_in(instance) == RARE

    def test_a_text_over_the_length_is_cut_and_the_paper_goes(self, rig: Rig[Any]) -> None:
        text = "长𠮷" * 35_000
        ref = rig.open(paper=form(reason=text))
        rig.work()
        under_way(rig, ref)
        (instance,) = rig.there(ref)
        arrived = rig.text_in(instance)
        if rig.most_text is None:
            assert arrived == text
        else:
            assert text.startswith(arrived.removesuffix("…")) and arrived.endswith("…")
            assert rig.most_text // 2 <= len(arrived) <= rig.most_text

    def test_many_lines_are_shown_or_summed_up(self, rig: Rig[Any]) -> None:
        ref = rig.open(paper=form(lines=150))
        rig.work()
        under_way(rig, ref)
        (instance,) = rig.there(ref)
        assert rig.lines_in(instance) == min(150, rig.most_lines or 150)

    def test_many_attachments_arrive_as_they_are_or_bound_together(
        self, rig: Rig[Any], tmp_path: Path, settings: LazySettings
    ) -> None:
        settings.ARCHIVE_DIR = tmp_path
        ref = rig.open(paper=form(files=[_kept(no) for no in range(1, 13)]))
        rig.work()
        under_way(rig, ref)
        (instance,) = rig.there(ref)
        assert rig.files_in(instance) == rig.files_for(12)


def _kept(no: int) -> Attachment:
    picture = BytesIO()
    Image.new("RGB", (40, 20 + no), "white").save(picture, "PNG")
    row = archive.keep(
        data=picture.getvalue(),
        name=f"{no:02} 发票.png",
        media_type="image/png",
        owner_id=None,
        at=clock.now(),
    )
    return Attachment(row.name, f"https://viatica.example.com/files/{row.digest}", row.digest)
