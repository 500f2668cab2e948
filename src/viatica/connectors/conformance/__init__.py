"""One suite of stories that every connector lives through: subclass them beside a fixture `rig`, and pytest tells them.

    class TestApprovals(ApprovalStories): ...

They play the test kit's office behind pytest-django's live server, beside a simulator that a Rig puts into neutral words.
"""

from __future__ import annotations

from viatica.connectors.conformance.approval import ApprovalStories
from viatica.connectors.conformance.desk import DeskRig, DeskStories, Task
from viatica.connectors.conformance.forms import FormStories
from viatica.connectors.conformance.rig import GONE, Instance, Rig, Simulated

__all__ = [
    "GONE", "ApprovalStories", "DeskRig", "DeskStories", "FormStories", "Instance", "Rig", "Simulated", "Task",
]  # fmt: skip
