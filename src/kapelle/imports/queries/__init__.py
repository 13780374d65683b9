"""Reads of imports and exports."""

from kapelle.imports.queries.exporting import (
    export_info,
    export_path,
    find_export,
    get_export,
    list_expired_exports,
    list_exports,
    list_stalled_exports,
)
from kapelle.imports.queries.importing import (
    errors_path,
    find_job,
    get_job,
    job_folder,
    job_info,
    list_errors,
    list_jobs,
    list_stalled,
)

__all__ = [
    "errors_path",
    "export_info",
    "export_path",
    "find_export",
    "find_job",
    "get_export",
    "get_job",
    "job_folder",
    "job_info",
    "list_errors",
    "list_expired_exports",
    "list_exports",
    "list_jobs",
    "list_stalled",
    "list_stalled_exports",
]
