"""Cases, steps and decisions for any document: our own flow, or an OA product's through `ports`."""

from viatica.offices.approval.hearing import on_asked, on_concluded, on_unasked
from viatica.offices.approval.ports import Asked, Conclusion, Outcome, Unasked

__all__ = ["Asked", "Conclusion", "Outcome", "Unasked", "on_asked", "on_concluded", "on_unasked"]
