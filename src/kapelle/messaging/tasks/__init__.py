"""The sender's process."""
