"""Paths and URIs to filesystems, and what may be said of them aloud.

A URI may carry a key or a token; ``without_secrets`` is what goes into manifests, errors and logs.
"""

import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import CorpusError

__all__ = ["absolute", "is_uri", "open_store", "require_utf8", "shown", "without_secrets"]


def is_uri(place: str) -> bool:
    """Tell a URI from a path."""
    return "://" in place


def absolute(place: str) -> str:
    """Make a path absolute: workers run in other directories. A URI stays as it is.

    Raises:
        CorpusError: the folder that it starts from is gone.
    """
    if "\0" in place:
        raise CorpusError(f"{place!r} holds a character of value zero, which no path has")
    if is_uri(place):
        return place
    try:
        return str(Path(place).absolute())
    except FileNotFoundError as error:
        raise CorpusError(f"{place} starts from the folder one is in, and that is gone; give a whole path") from error


def require_utf8(place: str) -> None:
    """Refuse a name that Arrow can neither open nor write down.

    Raises:
        CorpusError: it is not UTF-8.
    """
    try:
        place.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(f"{place!r} is not UTF-8, as Arrow needs the names of files; rename it") from error


def open_store(place: str) -> tuple[fs.FileSystem, str]:
    """Open the filesystem of a path or URI.

    Returns:
        The filesystem, and the path inside it.

    Raises:
        CorpusError: no filesystem of Arrow's opens such a URI, or it names no place in it.
    """
    require_utf8(place)
    if not is_uri(place):
        return fs.LocalFileSystem(), absolute(place)
    try:
        filesystem, path = fs.FileSystem.from_uri(_legal(place))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).replace(_legal(place), without_secrets(place))  # Arrow quotes the URI as it is
        hint = _QUERY_HINT if "query parameter" in reason else ""
        raise CorpusError(f"{without_secrets(place)} cannot be opened ({reason}){hint}") from None
    if not path:
        raise CorpusError(f"{filesystem.type_name}:// names no place there; give a bucket or a folder")
    return filesystem, path


_QUERY_HINT = "; what follows a ? are options: write %3F for one in a name, and * in a pattern"


def _legal(uri: str) -> str:
    """Percent-encode what may not stand in a URI: spaces, brackets, a percent sign that encodes nothing."""
    place, mark, query = uri.partition("?")
    return quote(_LONE_PERCENT.sub("%25", place), safe="%/:@!$&'()*+,;=~") + mark + query


_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")

_OPEN_OPTIONS = frozenset({"endpoint_override", "region", "scheme", "use_mmap"})
"""What a URI's query may say aloud: where the store is. Anything else may be a key or a token."""


def shown(place: str) -> str:
    """Return a place as a person reads it: of a URI, without its user and its query."""
    return without_secrets(place).partition("?")[0] if is_uri(place) else place


def without_secrets(place: str) -> str:
    """Leave out of a URI its user and password, and of its query all that does not only say where the store is."""
    if not is_uri(place):
        return place
    parts = urlsplit(place)
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key in _OPEN_OPTIONS], safe="/:")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
