"""The API of customers."""

from kapelle.customers.api.profiles import router
from kapelle.customers.api.sessions import router as sessions

router.add_router("", sessions)

__all__ = ["router"]
