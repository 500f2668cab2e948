"""The desks: a short list each, and the paper beside it."""
