"""The API framework, with Kapelle's manners: readable OpenAPI, strict JSON. It knows no address and no module."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ninja import NinjaAPI
from ninja.parser import Parser
from pydantic import BaseModel

if TYPE_CHECKING:
    from django.http import HttpRequest
    from ninja.openapi.schema import OpenAPISchema
    from ninja.operation import Operation


class Problem(BaseModel):
    """Any answer of 400 and above (RFC 9457). `code` is stable; some codes bring facts of their own, such as `path`."""

    type: str
    title: str
    status: int
    code: str


class StrictJson(Parser):
    """JSON as RFC 8259 has it: no NaN, no halves of characters. Any error here is answered as malformed JSON."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        found = json.loads(request.body, parse_constant=_refuse)
        if b"\\u" in request.body:
            json.dumps(found, ensure_ascii=False).encode()  # fails for half a character
        return cast("dict[str, Any]", found)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class KapelleAPI(NinjaAPI):
    """Operation ids come from the summaries, which are unique: clients made from the document read well."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """`List a customer's orders` is `list_a_customers_orders`."""
        return re.sub(r"\W+", "_", operation.summary.lower().replace("'", ""))

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, with the form of errors that every operation shares."""
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        failed = {
            "description": "The request was refused or failed; nothing was changed.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for methods in document["paths"].values():
            for details in methods.values():
                details["responses"]["default"] = failed
        return document
