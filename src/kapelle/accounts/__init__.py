"""Workspaces, API keys, the audit log: who may do what, and who did it."""
