"""Engine errors as ClickHouse's HTTP interface words them: code, sentence, and the HTTP status of the answer."""

from __future__ import annotations

import re

SYNTAX_ERROR = 62
NOT_IMPLEMENTED = 48
TIMEOUT_EXCEEDED = 159
TOO_MANY_QUERIES = 202
SOCKET_TIMEOUT = 209
QUERY_TOO_LARGE = 1077
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
NOT_ENOUGH_SPACE = 243
UNKNOWN_EXCEPTION = 1002

_NAMES = {
    SYNTAX_ERROR: "SYNTAX_ERROR",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    TOO_MANY_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    SOCKET_TIMEOUT: "SOCKET_TIMEOUT",
    QUERY_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}
# Parse errors and wrong values; unknown names; the rest one by one: the table that ClickHouse itself uses.
_BAD_REQUEST = {
    6,
    15,
    25,
    26,
    27,
    38,
    41,
    44,
    53,
    62,
    69,
    72,
    117,
    130,
    167,
    168,
    170,
    171,
    321,
    376,
    441,
    457,
    675,
    676,
}
_NOT_FOUND = {8, 16, 46, 47, 50, 56, 60, 73, 75, 81, 115, 511}
_STATUS = {
    NOT_IMPLEMENTED: 501,
    TIMEOUT_EXCEEDED: 408,
    TOO_MANY_QUERIES: 503,
    SOCKET_TIMEOUT: 408,
    QUERY_TOO_LARGE: 413,
    ACCESS_DENIED: 403,
    AUTHENTICATION_FAILED: 403,
}
# The store itself is broken: checksums, short reads, corrupted data, a missing or unreadable part.
FATAL_CODES = {33, 40, 246, 271, 432, 722}

_CODE = re.compile(r"Code: (\d+)\.")


class EngineFault(Exception):
    """A query's error. `code` is ClickHouse's; `str()` is the sentence in ClickHouse's own form."""

    def __init__(self, code: int, sentence: str) -> None:
        name = _NAMES.get(code)
        text = sentence if sentence.startswith("Code: ") else f"Code: {code}. DB::Exception: {sentence} ({name})"
        super().__init__(text)
        self.code = code

    @property
    def lacks_space(self) -> bool:
        """Whether the disk is full: then the data are as good as before."""
        return self.code == NOT_ENOUGH_SPACE or "No space left on device" in str(self)

    @property
    def status(self) -> int:
        if self.code in _BAD_REQUEST:
            return 400
        if self.code in _NOT_FOUND:
            return 404
        return _STATUS.get(self.code, 500)


def from_engine(error: BaseException) -> EngineFault:
    """The engine raises plain RuntimeErrors whose text begins (or goes on, after our caller's prefix) with the code."""
    text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
    found = _CODE.search(text)
    if found is None:
        return EngineFault(UNKNOWN_EXCEPTION, text)
    return EngineFault(int(found[1]), text[found.start() :])
