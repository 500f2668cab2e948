"""Where connectors find it; it stands in the spine, which keeps their exchanges."""

from viatica.spine.redaction import HIDDEN, redact

__all__ = ["HIDDEN", "redact"]
