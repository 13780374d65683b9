"""/customers/bulk and its siblings: thousands of records in one call, read as the rows of a file are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ninja import Router

from kapelle.imports.actions.bulk import load_records, read_array, read_lines
from kapelle.imports.api.importing import read_mapping
from kapelle.imports.schemas import LoadOut
from kapelle.kernel.clock import utc_now
from kapelle.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from kapelle.web.middleware import ApiRequest

router = Router(tags=["imports"])

_READERS: dict[str, Callable[[bytes], list[Any]]] = {
    "application/json": read_array,
    "application/x-ndjson": read_lines,
    "application/ndjson": read_lines,
    "application/jsonl": read_lines,
    "application/x-jsonlines": read_lines,
}
_RECORD = {"type": "object", "additionalProperties": True}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": _RECORD}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One JSON object a line."}},
        },
    }
}


class MediaTypeUnknown(Invalid):
    """A body of another kind than the address takes."""

    code = "unsupported_media_type"
    status = 415


@router.post("/customers/bulk", response=LoadOut, summary="Load many customers", openapi_extra=_BODY)
def post_customers(request: ApiRequest, mapping: str = "", dry_run: bool = False) -> Any:
    """Up to 5,000 customers: the fields of an import, custom ones under `attributes`. Bad records come back by place.

    `mapping`: what the map of a file may say, as JSON. Null and "" change nothing.
    """
    return _load(request, "customers", mapping, is_dry_run=dry_run)


@router.post("/products/bulk", response=LoadOut, summary="Load many products", openapi_extra=_BODY)
def post_products(request: ApiRequest, mapping: str = "", dry_run: bool = False) -> Any:
    """Up to 5,000 products: the fields of an import, custom ones under `attributes`. Bad records come back by place."""
    return _load(request, "products", mapping, is_dry_run=dry_run)


def _load(request: ApiRequest, kind: str, mapping: str, *, is_dry_run: bool) -> Any:
    media = (request.content_type or "").lower()
    if media not in _READERS:
        raise MediaTypeUnknown(f"Send Content-Type {' or '.join(list(_READERS)[:2])}, not {media[:100]!r}.")
    return load_records(
        kind=kind,
        records=_READERS[media](request.body),
        key=request.key,
        mapping=read_mapping(mapping),
        is_dry_run=is_dry_run,
        now=utc_now(),
    )
