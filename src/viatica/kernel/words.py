"""Marking texts for translation without translating them yet."""


def N_(msgid: str) -> str:  # noqa: N802 - gettext's own name for a deferred message
    """Mark `msgid` for the catalogue; the door that shows it translates it."""
    return msgid
