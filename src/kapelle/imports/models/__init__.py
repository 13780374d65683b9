"""Tables of imports, exports and sources."""

from kapelle.imports.models.exporting import ExportJob
from kapelle.imports.models.importing import ImportChange, ImportJob, ImportMark, ImportRowError
from kapelle.imports.models.sources import ImportSource, SourceFile, SourceRun

__all__ = [
    "ExportJob",
    "ImportChange",
    "ImportJob",
    "ImportMark",
    "ImportRowError",
    "ImportSource",
    "SourceFile",
    "SourceRun",
]
