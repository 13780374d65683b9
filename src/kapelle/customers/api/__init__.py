"""The API of customers."""

from kapelle.customers.api.consents import router as consents
from kapelle.customers.api.duplicates import router as duplicates
from kapelle.customers.api.identity import router as identity
from kapelle.customers.api.profiles import router
from kapelle.customers.api.sessions import router as sessions

router.add_router("", sessions)
router.add_router("", duplicates)
router.add_router("", identity)
router.add_router("", consents)

__all__ = ["router"]
