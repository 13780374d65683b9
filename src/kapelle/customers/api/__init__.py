"""The API of customers."""

from kapelle.customers.api.duplicates import router as duplicates
from kapelle.customers.api.profiles import router
from kapelle.customers.api.sessions import router as sessions

router.add_router("", sessions)
router.add_router("", duplicates)

__all__ = ["router"]
