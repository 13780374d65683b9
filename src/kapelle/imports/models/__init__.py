"""Tables of imports and exports."""

from kapelle.imports.models.exporting import ExportJob
from kapelle.imports.models.importing import ImportChange, ImportJob, ImportMark, ImportRowError

__all__ = ["ExportJob", "ImportChange", "ImportJob", "ImportMark", "ImportRowError"]
