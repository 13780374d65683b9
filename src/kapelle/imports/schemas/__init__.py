"""The JSON of imports and exports."""

from kapelle.imports.schemas.exporting import ExportIn, ExportKindOut, ExportOut, LinkOut
from kapelle.imports.schemas.importing import FieldOut, ImportOut, KindOut, LoadOut, RowErrorOut, RunIn

__all__ = [
    "ExportIn",
    "ExportKindOut",
    "ExportOut",
    "FieldOut",
    "ImportOut",
    "KindOut",
    "LinkOut",
    "LoadOut",
    "RowErrorOut",
    "RunIn",
]
