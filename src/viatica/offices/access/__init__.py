"""Who may see and do what: users, grants, tokens, and the Viewer every query is scoped by."""
