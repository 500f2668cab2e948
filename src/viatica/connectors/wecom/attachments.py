"""Files of a case on their way into a form, which takes six: the archive's bytes, bound into one PDF where they are more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from viatica.connectors.errors import AttachmentGone, AttachmentTooBig, FormDoesNotFit
from viatica.connectors.naming import file_name
from viatica.connectors.wecom import binding
from viatica.connectors.wecom.errors import SYSTEM
from viatica.connectors.wecom.mapping import ATTACHMENTS, FormMap
from viatica.kernel.errors import NotFound, Refused
from viatica.offices.approval.ports import Attachment, CaseOrder
from viatica.offices.archive import previews, services

if TYPE_CHECKING:
    from viatica.connectors.wecom.client import WeComClient

MOST = 6  # of a whole form
MOST_PICTURE = 10 * 1024 * 1024
MOST_FILE = 20 * 1024 * 1024
LEAST = 6  # bytes
# By how a file begins: an attachment's name here has no extension, and there it must have one.

File = tuple[str, bytes]


def upload(client: WeComClient, order: CaseOrder, layout: FormMap) -> list[str]:
    """The media ids of the case's files. Uploading again after a failure leaves an unused copy for three days, no harm.

    What a form does not take stays behind its link to our page. Raises AttachmentTooBig, or FormDoesNotFit for too
    many, where the form has no such link; AttachmentGone when the archive has lost a file.
    """
    control = layout.attachments
    files = order.form.attachments
    if control is None or not files:
        return []
    if control.of == "photo":
        return [client.upload(name, data, kind="image") for name, data in _pictures(files, layout)]
    chosen = _originals(files, layout) if len(files) <= MOST else _bound(order, layout)
    return [client.upload(name, data) for name, data in chosen]


def _originals(files: Sequence[Attachment], layout: FormMap) -> Iterator[File]:
    for one in files:
        data = _bytes(one)
        if LEAST <= len(data) <= MOST_FILE:
            yield file_name(one.name, data), data
        else:
            _leave(one, len(data), MOST_FILE, layout)


def _pictures(files: Sequence[Attachment], layout: FormMap) -> Iterator[File]:
    if len(files) > MOST:
        _refuse_many(len(files), layout)
    for one in files[:MOST]:
        data = _picture(one)
        if data is not None and len(data) <= MOST_PICTURE:
            yield file_name(one.name, data), data
        else:
            _leave(one, len(data or b""), MOST_PICTURE, layout)


def _bound(order: CaseOrder, layout: FormMap) -> Iterator[File]:
    """All PDFs and photographs in as few PDFs as they fit in, then whatever else there is room for."""
    volumes, others = _volumes(order, layout)
    names = [f"{order.number} 附件 {no}.pdf" for no in range(1, len(volumes) + 1)]
    chosen = [*zip(names, volumes, strict=True), *others]
    if len(chosen) > MOST:
        _refuse_many(len(order.form.attachments), layout)
    yield from chosen[:MOST]


def _volumes(order: CaseOrder, layout: FormMap) -> tuple[list[bytes], list[File]]:
    """Bound ones; and what cannot be bound: OFD, XML, damaged and locked files."""
    volumes: list[bytes] = []
    others: list[File] = []
    waiting: list[File] = []

    def bind() -> None:
        bound = binding.bind([data for _, data in waiting])
        if bound.pdf:
            volumes.append(bound.pdf)
        others.extend(one for place, one in enumerate(waiting) if place not in bound.taken)
        waiting.clear()

    for one, (name, data) in zip(order.form.attachments, _read(order, layout), strict=True):
        if not LEAST <= len(data) <= MOST_FILE:
            _leave(one, len(data), MOST_FILE, layout)
        elif not data.startswith(binding.BINDABLE):
            others.append((name, data))
        else:
            if sum(len(kept) for _, kept in waiting) + len(data) > binding.MOST_BYTES:
                bind()
            waiting.append((name, data))
    bind()
    return volumes, others


def _read(order: CaseOrder, layout: FormMap) -> Iterator[File]:
    for one in order.form.attachments:
        data = _bytes(one)
        yield file_name(one.name, data), data


def _leave(one: Attachment, size: int, most: int, layout: FormMap) -> None:
    if not layout.links_to_page:
        raise AttachmentTooBig(system=SYSTEM, said_by=f"{size} > {most}", name=one.name)


def _refuse_many(count: int, layout: FormMap) -> None:
    if not layout.links_to_page:
        raise FormDoesNotFit(system=SYSTEM, said_by=f"{count} > {MOST}", what=ATTACHMENTS)


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
