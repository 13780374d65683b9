"""The collecting front: takes events and tracking hits, never loads Django, and passes all else to `web`."""
