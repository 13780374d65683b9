"""Reads a product feed (YML, Google Merchant as RSS or Atom) offer by offer in steady memory.

No entity is ever declared, no document type is loaded. An offer that is no XML is left out alone: reading goes on at
the next one, within the same elements.
"""

from __future__ import annotations

import html
import re
from typing import IO, TYPE_CHECKING, Any, Self
from xml.parsers import expat

import msgspec

from kapelle.imports.contracts import NotReadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kapelle.imports.actions.reading import Row

FEED_FIELDS = (
    "external_id", "group_external_id", "name", "description", "sku", "brand", "category_external_id", "price",
    "old_price", "currency", "stock", "url", "image_url", "is_available", "params", "category.external_id",
    "category.name", "category.parent",
)  # fmt: skip
MAX_OFFER_BYTES = 4 << 20
MAX_DEPTH = 100
_BLOCK = 64 * 1024
_MAX_TEXT = 20_000
_MAX_PARAMS = 200
_HEAD = re.compile(rb"\s*(<\?xml|<!--|<!DOCTYPE|<yml_catalog|<rss|<feed|<rdf:RDF)", re.IGNORECASE)
_ITEMS = {"offer": "offers", "item": "channel", "entry": "feed"}
_NEXT_ITEM = re.compile(rb"<(?:offer|item|entry)[\s>]", re.IGNORECASE)
_ID = re.compile(rb"""<(?:offer|item|entry)[^>]*?\sid\s*=\s*["']([^"']{1,300})|<(?:g:)?id>\s*([^<]{1,300})""")
_PRICE = re.compile(r"([^A-Za-z]*?)\s*([A-Za-z]{3})?\s*")
_OLD_CODES = {"RUR": "RUB", "BYR": "BYN"}
# What the two dialects call a field.
_NAMES = {
    **dict.fromkeys(("name", "title"), "name"),
    **dict.fromkeys(("url", "link"), "url"),
    **dict.fromkeys(("picture", "image_link"), "image_url"),
    **dict.fromkeys(("vendor", "brand"), "brand"),
    **dict.fromkeys(("vendorcode", "mpn", "gtin", "barcode"), "sku"),
    **dict.fromkeys(("categoryid", "product_type", "google_product_category"), "category_external_id"),
    **dict.fromkeys(("count", "stock_quantity", "quantity", "quantity_to_sell_on_facebook"), "stock"),
    **dict.fromkeys(("description", "summary"), "description"),
    **dict.fromkeys(("availability", "available"), "is_available"),
    "id": "external_id", "item_group_id": "group_external_id", "price": "price", "oldprice": "old_price",
    "sale_price": "sale_price", "currencyid": "currency",
}  # fmt: skip
_AVAILABLE = {"true", "1", "yes", "instock", "preorder", "backorder", "limitedavailability"}


def is_feed(path: Path) -> bool:
    """Whether the file begins like a product feed."""
    with path.open("rb") as file:
        start = file.read(200)
    if start.startswith((b"\xff\xfe<", b"\xfe\xff\0<")):
        return True
    return bool(_HEAD.match(start.removeprefix(b"\xef\xbb\xbf")))


class FeedFile:
    """An open feed: `header`, then rows by iteration: categories as they stand in the file, and offers."""

    header = list(FEED_FIELDS)

    def __init__(self, path: Path, make_row: type[Row]) -> None:
        self._stream: IO[bytes] = path.open("rb")
        self._row = make_row
        self._encoding = ""
        self._stack: list[str] = []
        self._item: dict[str, Any] | None = None
        self._field: tuple[str, str] | None = None  # the child of the item that is open, and the name of a param
        self._text: list[str] = []
        self._length = 0
        self._category: dict[str, str] | None = None
        self._ready: list[tuple[dict[str, str], tuple[str, str] | None]] = []
        self._found = 0
        self._window = bytearray()  # what was read since the open item began
        self._base = 0  # where the window begins, as the parser counts
        self._item_at = 0
        self._parser = self._make_parser()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @property
    def bytes_read(self) -> int:
        return self._stream.tell()

    def __iter__(self) -> Iterator[Row]:
        for number, (fields, problem) in enumerate(self._records(), start=1):
            yield self._row(number, [fields.get(name, "") for name in FEED_FIELDS], problem)

    def _records(self) -> Iterator[tuple[dict[str, str], tuple[str, str] | None]]:
        data, is_last = self._next_block()
        while True:
            self._window += data
            try:
                self._parser.Parse(data, is_last)
            except expat.ExpatError as error:
                yield from self._take()
                fields, reason = self._give_up_item(error, is_last)
                yield fields, ("broken_xml", reason)
                data, self._window = bytes(self._window), bytearray()
                continue
            yield from self._take()
            if is_last:
                break
            self._trim()
            data, is_last = self._next_block()
        if not self._found:
            raise NotReadable("There is no offer in this feed: neither <offer>, <item> nor <entry>.")

    def _next_block(self) -> tuple[bytes, bool]:
        block = self._stream.read(_BLOCK)
        return block, not block

    def _take(self) -> Iterator[tuple[dict[str, str], tuple[str, str] | None]]:
        ready, self._ready = self._ready, []
        self._found += len(ready)
        yield from ready

    def _trim(self) -> None:
        """Forget what lies before the open item, or all."""
        keep = self._item_at if self._item is not None else self._base + len(self._window)
        del self._window[: keep - self._base]
        self._base = keep
        if len(self._window) > MAX_OFFER_BYTES:
            raise NotReadable(f"An offer is larger than {MAX_OFFER_BYTES} bytes.")

    def _give_up_item(self, error: expat.ExpatError, is_last: bool) -> tuple[dict[str, str], str]:
        """What can be told of the item that is no XML; a new parser stands where the next item begins."""
        reason = f"line {error.lineno}: {expat.ErrorString(error.code)}"
        if self._item is None or is_last:
            raise NotReadable(f"The feed cannot be read to its end: {reason}.")
        del self._window[: self._item_at - self._base]
        named = _ID.search(bytes(self._window))
        outer = self._stack[: self._stack.index(self._item["tag"])]
        following = _NEXT_ITEM.search(self._window, 1)
        while following is None:
            block, is_last = self._next_block()
            if is_last:
                raise NotReadable(f"The feed cannot be read to its end: {reason}.")
            del self._window[1:-20]
            self._window += block
            following = _NEXT_ITEM.search(self._window, 1)
        del self._window[: following.start()]
        self._item, self._field, self._stack = None, None, []
        self._parser = self._make_parser()
        declared = f'<?xml version="1.0" encoding="{self._encoding or "utf-8"}"?>'
        prefix = (declared + "".join(f"<{name}>" for name in outer)).encode()
        self._parser.Parse(prefix)
        self._base = len(prefix)
        external_id = next((part for part in named.groups() if part), b"") if named else b""
        return {"external_id": external_id.decode("utf-8", "replace").strip()}, reason

    def _make_parser(self) -> Any:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        # With a document type (an empty one, none is loaded) unknown names such as &nbsp; are skipped and come to us.
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_UNLESS_STANDALONE)
        parser.UseForeignDTD(True)
        parser.ExternalEntityRefHandler = self._read_nothing
        parser.EntityDeclHandler = _refuse_entities
        parser.SkippedEntityHandler = self._skipped
        parser.XmlDeclHandler = lambda _version, encoding, _alone: setattr(self, "_encoding", encoding or "")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        return parser

    def _read_nothing(self, context: str | None, *_: object) -> int:
        self._parser.ExternalEntityParserCreate(context, "utf-8").Parse(b"", True)
        return 1

    def _skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._add(html.unescape(f"&{name};"))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        parent = _local(self._stack[-1]) if self._stack else ""
        self._stack.append(tag)
        if len(self._stack) > MAX_DEPTH:
            raise NotReadable(f"Elements stand more than {MAX_DEPTH} deep inside each other.")
        if self._item is None:
            if parent == _ITEMS.get(name) or (name == "item" and parent in ("rss", "rdf")):
                self._item_at = self._parser.CurrentByteIndex
                self._item = {
                    "tag": tag,
                    "depth": len(self._stack),
                    "attributes": attributes,
                    "fields": {},
                    "params": {},
                }
            elif name == "category" and parent == "categories":
                self._category = {
                    "category.external_id": attributes.get("id", ""),
                    "category.parent": attributes.get("parentId", attributes.get("parentid", "")),
                }
                self._text, self._length = [], 0
        elif len(self._stack) == self._item["depth"] + 1:
            self._field = (name, attributes.get("name", ""))
            self._text, self._length = [], 0
            if name == "link" and "href" in attributes:
                self._add(attributes["href"])

    def _add(self, text: str) -> None:
        if (self._field is not None or self._category is not None) and self._length < _MAX_TEXT:
            self._text.append(text[: _MAX_TEXT - self._length])
            self._length += len(text)

    def _end(self, tag: str) -> None:
        self._stack.pop()
        text = "".join(self._text).strip()
        if self._category is not None and _local(tag) == "category":
            self._ready.append(({**self._category, "category.name": text}, None))
            self._category = None
        elif self._item is not None and len(self._stack) == self._item["depth"]:
            self._keep(text)
            self._field = None
        elif self._item is not None and len(self._stack) < self._item["depth"]:
            self._ready.append((_product(self._item), None))
            self._item = None

    def _keep(self, text: str) -> None:
        if self._item is None or self._field is None or not text:
            return
        name, of = self._field
        known = _NAMES.get(name)
        if known is not None:
            self._item["fields"].setdefault(known, text)
        elif len(self._item["params"]) < _MAX_PARAMS:
            self._item["params"].setdefault((of if name == "param" else name)[:200] or name, text[:1000])


def _refuse_entities(name: str, *_: object) -> None:
    raise NotReadable(
        f"The feed declares an entity ({name[:60]!r}). Entities can hide files or fill memory: none is read."
    )


def _local(tag: str) -> str:
    return tag.rpartition(":")[2].lower()


def _product(item: dict[str, Any]) -> dict[str, str]:
    """The fields of one offer, in either dialect."""
    fields: dict[str, str] = dict(item["fields"])
    params: dict[str, str] = item["params"]
    attributes: dict[str, str] = item["attributes"]
    fields["external_id"] = attributes.get("id") or fields.get("external_id", "")
    fields["group_external_id"] = attributes.get("group_id") or fields.get("group_external_id", "")
    if "name" not in fields:
        fields["name"] = " ".join(
            filter(None, (params.pop("typeprefix", ""), fields.get("brand"), params.pop("model", "")))
        )
    for name in ("price", "old_price", "sale_price"):
        if match := _PRICE.fullmatch(fields.get(name, "")):
            fields[name] = match[1].strip()
            fields["currency"] = fields.get("currency") or (match[2] or "").upper()
    if fields.get("sale_price"):
        fields["old_price"], fields["price"] = fields.get("price", ""), fields["sale_price"]
    fields["currency"] = _OLD_CODES.get(fields.get("currency", "").upper(), fields.get("currency", "").upper())
    available = attributes.get("available") or fields.get("is_available", "")
    fields["is_available"] = str(re.sub(r"\W|_", "", available).lower() in _AVAILABLE).lower() if available else ""
    fields["params"] = msgspec.json.encode(params).decode() if params else ""
    return fields
