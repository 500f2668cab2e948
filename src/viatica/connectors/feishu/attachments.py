"""Files of a case on their way into a form: the archive's bytes, named and typed as the widget wants them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from viatica.connectors.errors import AttachmentGone, AttachmentTooBig
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.feishu.translate import PICTURES, FormMap, Widget
from viatica.connectors.naming import file_name
from viatica.kernel.errors import NotFound, Refused
from viatica.offices.approval.ports import Attachment
from viatica.offices.archive import previews, services

if TYPE_CHECKING:
    from viatica.connectors.feishu.client import FeishuClient

MOST_PICTURE = 10 * 1024 * 1024
MOST_FILE = 50 * 1024 * 1024
# By how a file begins: an attachment's name here has no extension, and there it must have one.


def upload(client: FeishuClient, files: tuple[Attachment, ...], mapping: FormMap) -> list[str]:
    """The codes of `files` for the mapped widget. Uploading again after a failure leaves an unused copy, no harm.

    What the product does not take stays behind the form's link to our page. Raises AttachmentTooBig when the form
    has no such link, AttachmentGone when the archive has lost a file.
    """
    widget = mapping.attachments
    if widget is None:
        return []
    kind = "image" if widget.type in PICTURES else "attachment"
    return [client.upload(name, data, kind=kind) for name, data in _fitting(files, widget, mapping)]


def _fitting(files: tuple[Attachment, ...], widget: Widget, mapping: FormMap) -> Iterator[tuple[str, bytes]]:
    most = MOST_PICTURE if widget.type in PICTURES else MOST_FILE
    for one in files:
        data = _picture(one) if widget.type in PICTURES else _bytes(one)
        if data is not None and len(data) <= most:
            yield file_name(one.name, data), data
        elif not mapping.links_to_files:
            raise AttachmentTooBig(system=SYSTEM, said_by=f"{len(data or b'')} > {most}", name=one.name)


def _bytes(one: Attachment) -> bytes:
    try:
        return services.open_file(one.digest)
    except (NotFound, Refused) as error:
        raise AttachmentGone(system=SYSTEM, said_by=str(error), name=one.name) from error


def _picture(one: Attachment) -> bytes | None:
    """A PNG of it; None for what can only be drawn otherwise, or not at all."""
    try:
        picture, media_type = previews.preview(one.digest)
    except NotFound as error:
        raise AttachmentGone(system=SYSTEM, said_by=str(error), name=one.name) from error
    except Refused:
        return None
    return picture if media_type == previews.PNG else None
