"""One-off sends to a segment, and what came of them."""
