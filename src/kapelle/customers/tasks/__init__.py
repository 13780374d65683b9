"""Background work on customers."""
