"""Where a mailing becomes mails: facts filled in, links signed, MIME composed. For sender, previews and pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kapelle.accounts.queries import get_workspace_by_id
from kapelle.channels.email.actions import Composer, Envelope
from kapelle.kernel import config as kernel_config
from kapelle.kernel.secrets import secret_bytes
from kapelle.kernel.templates import Parts, Renderer, TemplateInvalid, compile_template, marks
from kapelle.kernel.tracking import OPEN_LINK, make_token
from kapelle.messaging.actions.versions import number_links
from kapelle.messaging.queries import find_send, load_mailing, read_customers, read_products

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from kapelle.channels.contracts import Message
    from kapelle.channels.email.contracts import EmailAccount
    from kapelle.kernel.templates import Rendered
    from kapelle.messaging.queries import LoadedMailing

TRACKING_KEY = "tracking"
PAGES_KEY = "mail-pages"  # another key than tracking's: who sees an image's address must not be able to unsubscribe
_MAX_REMEMBERED_LINKS = 10_000
_NOBODY: dict[str, Any] = {"customer": {}, "attributes": {}}


def make_keys() -> None:
    """Make the installation's link keys if this is the first start. Call it before threads may ask for them at once."""
    for name in (TRACKING_KEY, PAGES_KEY):
        secret_bytes(kernel_config.load(), name)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom one mail goes to; `facts` as read_customers gives them."""

    send_id: UUID
    address: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """A mail as somebody would see it, its links not tracked."""

    subject: str
    html: str
    text: str
    warnings: list[str]


class Press:
    """Prints one mailing's mails. Made in its workspace's scope; used by one thread."""

    def __init__(self, mailing: LoadedMailing, account: EmailAccount) -> None:
        config = kernel_config.load()
        self.mailing = mailing
        self._tracking_key = secret_bytes(config, TRACKING_KEY)
        self._pages_key = secret_bytes(config, PAGES_KEY)
        self._base = account.tracking_url or config.public_url
        self._numbers = dict(zip(mailing.compiled.links, mailing.link_numbers, strict=True))
        self._common = common_facts(mailing.workspace_id, mailing.source_id, mailing.name)
        self._renderer = Renderer(mailing.compiled, read_products(mailing.compiled.products))
        self._composer = Composer(
            from_address=mailing.sender.from_address or account.from_address,
            from_name=mailing.sender.from_name or account.from_name,
            reply_to=mailing.sender.reply_to or account.reply_to,
            list_id=f"marketing.{mailing.workspace_id.hex}",
            feedback_id=f"{mailing.source_id.hex}:{mailing.version}:{mailing.source_kind}:{mailing.workspace_id.hex}",
        )

    def render(self, recipients: Sequence[Recipient]) -> tuple[list[tuple[Recipient, Rendered]], dict[UUID, str]]:
        """What could be rendered, and by send id why the others could not."""
        rendered, broken = [], {}
        for recipient in recipients:
            try:
                rendered.append((recipient, self._renderer.render({**recipient.facts, **self._common})))
            except TemplateInvalid as error:
                broken[recipient.send_id] = error.message
        return rendered, broken

    def unknown_links(self, rendered: Sequence[tuple[Recipient, Rendered]]) -> set[str]:
        """Link targets made by Liquid that have no number yet."""
        return {url for _, mail in rendered for url in mail.links if url not in self._numbers}

    def learn_links(self, numbers: dict[str, int]) -> None:
        """Numbers that `number_links` gave, committed by now."""
        if len(self._numbers) > _MAX_REMEMBERED_LINKS:
            self._numbers = dict(zip(self.mailing.compiled.links, self.mailing.link_numbers, strict=True))
        self._numbers.update(numbers)

    def compose(self, recipient: Recipient, mail: Rendered, now: datetime) -> Message:
        """The mail as it goes out. All its links must have been learned."""
        address = self._addresses(recipient.send_id, mail.links)
        facts = recipient.facts.get("customer", {})
        name = f"{facts.get('first_name', '')} {facts.get('last_name', '')}".strip()
        return self._composer.compose(
            Envelope(
                send_id=recipient.send_id,
                address=recipient.address,
                name=name,
                subject=mail.subject,
                text=marks.replace(mail.text, address),
                html=marks.replace(mail.html, address),
                unsubscribe_url=address("u"),
            ),
            now,
        )

    def page(self, recipient: Recipient) -> str:
        """The mail's HTML for the browser; looking at it there counts as opening it."""
        mail = self._renderer.render({**recipient.facts, **self._common})
        self.learn_links(number_links(workspace_id=self.mailing.workspace_id, urls=mail.links))
        return marks.replace(mail.html, self._addresses(recipient.send_id, mail.links))

    def _addresses(self, send_id: UUID, links: list[str]) -> _Addresses:
        return _Addresses(self, send_id, links)

    def address(self, send_id: UUID, name: str, links: list[str]) -> str:
        """The signed address behind one mark."""
        workspace_id = self.mailing.workspace_id
        if name == "o":
            return f"{self._base}/t/o/{make_token(self._tracking_key, workspace_id, send_id, OPEN_LINK)}.gif"
        if name in {"u", "p", "v"}:
            return f"{self._base}/{name}/{make_token(self._pages_key, workspace_id, send_id, 0)}"
        index = int(name) if name.isdecimal() else len(links)
        if index >= len(links):
            return ""  # a mark that somebody smuggled in through their own data
        return f"{self._base}/t/c/{make_token(self._tracking_key, workspace_id, send_id, self._numbers[links[index]])}"


class _Addresses:
    """Signed addresses of one mail, each signed once though it stands in both HTML and text."""

    __slots__ = ("_known", "_links", "_press", "_send_id")

    def __init__(self, press: Press, send_id: UUID, links: list[str]) -> None:
        self._press, self._send_id, self._links = press, send_id, links
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._press.address(self._send_id, name, self._links)
        return found


@lru_cache(maxsize=256)
def _brand(workspace_id: UUID) -> str:
    return get_workspace_by_id(workspace_id).name


def common_facts(workspace_id: UUID, source_id: UUID, name: str) -> dict[str, Any]:
    """What every recipient of a mailing sees alike."""
    return {"campaign": {"id": str(source_id), "name": name}, "brand": {"name": _brand(workspace_id)}}


def preview_mail(*, workspace_id: UUID, source_id: UUID, name: str, parts: Parts, customer_id: UUID | None) -> Preview:
    """The mail as this customer would see it (nobody's facts for None); raises TemplateInvalid."""
    compiled = compile_template(parts)
    products = read_products(compiled.products)
    facts = read_customers([customer_id]).get(customer_id, _NOBODY) if customer_id else _NOBODY
    context = {**facts, **common_facts(workspace_id, source_id, name)}
    renderer = Renderer(compiled, products)
    mail = renderer.render(context)
    warnings = list(compiled.warnings)
    warnings += [
        f"{variable} has no value here; the mail shows nothing in its place." for variable in renderer.missing(context)
    ]
    warnings += [
        f"There is no product {external_id!r}." for external_id in compiled.products if external_id not in products
    ]

    def plain(mark: str) -> str:
        return mail.links[int(mark)] if mark.isdecimal() and int(mark) < len(mail.links) else "#"

    html = mail.html.replace(marks.OPEN, "data:,")
    return Preview(mail.subject, marks.replace(html, plain), marks.replace(mail.text, plain), warnings)


def view_mail(*, send_id: UUID, account: EmailAccount) -> str | None:
    """The HTML of a mail that was sent, filled with today's facts; None when there is no such send. In its scope."""
    send = find_send(send_id)
    if send is None:
        return None
    press = Press(load_mailing(send.mailing_id), account)
    facts = read_customers([send.render_as]).get(send.render_as, _NOBODY) if send.render_as else _NOBODY
    return press.page(Recipient(send.id, send.address, facts))
