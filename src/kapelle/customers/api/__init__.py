"""The API of customers."""

from kapelle.customers.api.profiles import router

__all__ = ["router"]
