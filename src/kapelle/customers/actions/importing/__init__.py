"""Customers from files: what their columns mean, the set-wise upsert with before-images, and its exact inverse."""
