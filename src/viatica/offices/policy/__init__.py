"""差标: what a category may cost, for whom, where and when; and what a paper's lines find against it."""

from viatica.offices.policy.findings import is_blocked

__all__ = ["is_blocked"]
