"""飞书 Feishu as a real server: directory, native and third-party approvals, cards, sign-in, sealed events."""
