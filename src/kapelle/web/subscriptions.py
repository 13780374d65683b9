"""What happens after what: the whole product's upward arrows on one page.

Gates, resolvers and projections run in the projector's transaction, in this order. Mirrors are the tables that columnar
keeps a copy of. Importers and exporters are the kinds of files that can be loaded and made. Chores are repeated by the
sweeper. Personal data is what each module keeps about people, for who asks for a copy or to be erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapelle.accounts.tasks import FORGET_OLD_ANSWERS
from kapelle.campaigns.tasks import REQUEUE_STALLED as REQUEUE_STALLED_CAMPAIGNS
from kapelle.catalog.actions.importing.orders import OrdersImporter
from kapelle.catalog.actions.importing.products import ProductsImporter
from kapelle.catalog.actions.list_projection import ListProjection
from kapelle.catalog.actions.personal_data import OrderData, ProductListData
from kapelle.catalog.actions.projection import NAMES as ORDER_EVENTS
from kapelle.catalog.actions.projection import OrderProjection
from kapelle.catalog.queries.exporting import OrdersExporter, ProductsExporter
from kapelle.catalog.queries.mirror import MIRRORS as CATALOG_MIRRORS
from kapelle.catalog.tasks import FORGET_OLD_CHANGES
from kapelle.customers.actions import EventResolver, ProfileProjection
from kapelle.customers.actions.consents import CONSENT_EVENTS, ConsentEar, FirstVisitGate, TrackingGate
from kapelle.customers.actions.contact_points import ContactProjection
from kapelle.customers.actions.duplicates import DuplicatesData
from kapelle.customers.actions.erased_gate import ErasedGate
from kapelle.customers.actions.importing.importer import CustomersImporter
from kapelle.customers.actions.importing.merges import MergesImporter
from kapelle.customers.actions.personal_data import CustomerData, CustomerPeople, IdentityData
from kapelle.customers.actions.sessions import SESSIONS_CHORE
from kapelle.customers.queries.exporting import CustomersExporter, EventsExporter
from kapelle.customers.queries.exporting_consents import ConsentsExporter, ContactPointsExporter
from kapelle.customers.queries.mirror import CUSTOMERS, ORIGINS
from kapelle.customers.tasks.duplicates import FIND_NIGHTLY as FIND_DUPLICATES
from kapelle.customers.tasks.identity import APPLY_RULES as APPLY_IDENTITY_RULES
from kapelle.customers.tasks.identity import FORGET_OLD_CHANGES as FORGET_IDENTITY_CHANGES
from kapelle.events.actions.personal_data import EventData
from kapelle.events.queries.mirror import EVENTS
from kapelle.events.tasks.projection import Road
from kapelle.events.tasks.sweeper import CHORES as EVENT_CHORES
from kapelle.imports.actions.personal_data import ImportData
from kapelle.imports.contracts import register_audience, register_exporter, register_importer
from kapelle.imports.tasks import CHORES as IMPORT_CHORES
from kapelle.integrations.contracts import register_road
from kapelle.kernel.telemetry import FORGET_OLD_TELEMETRY
from kapelle.messaging.actions import ReceiptGate, ReceiptProjection, ReceiptResolver
from kapelle.messaging.actions.personal_data import SendData
from kapelle.privacy.actions import AnswerData, ConsentData, PersonalRows
from kapelle.privacy.contracts import register_people, register_personal_data
from kapelle.privacy.tasks import REQUEUE_STALLED as REQUEUE_STALLED_ERASURES
from kapelle.segments.actions import MemberData, SegmentAudience

if TYPE_CHECKING:
    from kapelle.events.contracts import Gate, Mirror, Projection, Resolver
    from kapelle.imports.contracts import Exporter, Importer
    from kapelle.kernel.chores import Chore
    from kapelle.privacy.contracts import PersonalData

RESOLVERS: tuple[Resolver, ...] = (
    EventResolver(),  # whose identify, track, page, ... it is
    ReceiptResolver(),  # which send an open or a click answers
)

_ESSENTIAL = CONSENT_EVENTS | ORDER_EVENTS
GATES: tuple[Gate, ...] = (
    ErasedGate(),  # nothing of whom was erased meanwhile
    ReceiptGate(),  # nothing of whom nobody is
    FirstVisitGate(_ESSENTIAL),  # where tracking needs consent: nothing of who never gave it
    ConsentEar(),  # what they say of consent
    TrackingGate(_ESSENTIAL),  # nothing of who refused it
)

PROJECTIONS: tuple[Projection, ...] = (
    ReceiptProjection(),  # opened, clicked
    OrderProjection(),  # orders that arrive as "Order Completed" and its kin
    ListProjection(),  # cart, wishlist, viewed products and other lists
    ContactProjection(),  # addresses and tokens that they show
    ProfileProjection(),  # standard and custom fields; last of customers
)

MIRRORS: tuple[Mirror, ...] = (EVENTS, CUSTOMERS, ORIGINS, *CATALOG_MIRRORS)

CHORES: tuple[Chore, ...] = (
    *EVENT_CHORES,
    FORGET_OLD_ANSWERS,
    SESSIONS_CHORE,
    APPLY_IDENTITY_RULES,
    FORGET_IDENTITY_CHANGES,
    *IMPORT_CHORES,
    REQUEUE_STALLED_CAMPAIGNS,
    REQUEUE_STALLED_ERASURES,
    FIND_DUPLICATES,
    FORGET_OLD_CHANGES,
    FORGET_OLD_TELEMETRY,
)

IMPORTERS: tuple[Importer, ...] = (CustomersImporter(), MergesImporter(), ProductsImporter(), OrdersImporter())

EXPORTERS: tuple[Exporter, ...] = (
    CustomersExporter(),
    EventsExporter(),
    OrdersExporter(),
    ProductsExporter(),
    ConsentsExporter(),
    ContactPointsExporter(),
)

PERSONAL_DATA: tuple[PersonalData, ...] = (
    OrderData(),  # first: PostgreSQL lets orders go when it loses the identifier that they came for
    IdentityData(),  # from here on nobody finds the person, and nothing new comes to them
    EventData(),
    PersonalRows("sessions"),
    PersonalRows("contact_points"),
    DuplicatesData(),
    ProductListData(),
    SendData(),
    MemberData(),
    ImportData(),
    AnswerData(),
    ConsentData(),
    CustomerData(),  # last: the others find their rows by its id
)


def register() -> None:
    """Fill the registries that modules below hold. Called once, at start."""
    for importer in IMPORTERS:
        register_importer(importer)
    for exporter in EXPORTERS:
        register_exporter(exporter)
    register_audience(SegmentAudience())
    register_people(CustomerPeople())
    for holder in PERSONAL_DATA:
        register_personal_data(holder)
    register_road(Road(RESOLVERS, PROJECTIONS, GATES).bring_home)  # for operations that answer with the result
