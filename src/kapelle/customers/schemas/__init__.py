"""The shapes of customers in the API."""
