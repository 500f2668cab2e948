"""Papers with a life of their own. Each tells it in its `journey.py`, one transaction a step."""
