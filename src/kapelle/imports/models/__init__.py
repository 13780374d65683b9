"""Tables of imports, exports, sources and uploads."""

from kapelle.imports.models.exporting import ExportJob
from kapelle.imports.models.importing import ImportChange, ImportJob, ImportMark, ImportRowError
from kapelle.imports.models.sources import ImportSource, SourceFile, SourceRun
from kapelle.imports.models.uploads import Upload

__all__ = [
    "ExportJob",
    "ImportChange",
    "ImportJob",
    "ImportMark",
    "ImportRowError",
    "ImportSource",
    "SourceFile",
    "SourceRun",
    "Upload",
]
