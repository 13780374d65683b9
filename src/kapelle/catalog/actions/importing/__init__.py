"""Orders and products from files: what their columns mean, writing them by chunks, events, and the exact inverse."""
