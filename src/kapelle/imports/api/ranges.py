"""A file over HTTP, whole or one range of it (RFC 9110, section 14), so that a broken download can go on."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

from django.http import FileResponse, HttpResponse, StreamingHttpResponse

from kapelle.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE = 256 * 1024


def serve_file(request: HttpRequest, path: Path, *, content_type: str, name: str) -> HttpResponseBase:
    """The file; raises NotFound. Several ranges in one request are answered with the whole file."""
    try:
        file = path.open("rb")
        stat = path.stat()
    except FileNotFoundError as error:
        raise NotFound("The file is not here any more.") from error
    tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if wanted and any(wanted.groups()) and request.headers.get("If-Range", tag) == tag:
        response = _part(file, stat.st_size, wanted[1], wanted[2], content_type)
    else:
        response = FileResponse(file, content_type=content_type)
        response["Content-Length"] = str(stat.st_size)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = tag
    return response


def _part(file: IO[bytes], size: int, first: str, last: str, content_type: str) -> HttpResponseBase:
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end or (not first and not int(last)):
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = StreamingHttpResponse(_read(file, start, end + 1 - start), status=206, content_type=content_type)
    response["Content-Range"] = f"bytes {start}-{end}/{size}"
    response["Content-Length"] = str(end + 1 - start)
    return response


def _read(file: IO[bytes], start: int, left: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while left and (piece := file.read(min(left, _PIECE))):
            left -= len(piece)
            yield piece
