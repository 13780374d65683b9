"""Composition only: settings, addresses, subscriptions, command line. Nothing below may import it."""
