"""钉钉: approvals (official OA approval), callbacks, work notifications, to-dos, sign-in, directory."""
