"""Paths and URIs to filesystems, and what may be said of them aloud.

A URI may carry a key or a token; ``without_secrets`` is what goes into manifests, errors and logs.
"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import pyarrow as pa
from pyarrow import fs

from w2vray.artefacts import no_path_because
from w2vray.errors import CorpusError

__all__ = ["absolute", "first_line", "is_uri", "legal", "open_store", "require_utf8", "shown", "without_secrets"]


def is_uri(place: str) -> bool:
    """Tell a URI from a path."""
    return "://" in place


def absolute(place: str) -> str:
    """Make a path absolute: workers run in other directories. A URI stays as it is.

    Raises:
        CorpusError: it is neither, or the folder that it starts from is gone.
    """
    if "\0" in place:
        raise CorpusError(f"{place!r} holds a character of value zero, which no path has")
    if is_uri(place):
        return place
    if why := no_path_because(place):
        raise CorpusError(f"{place!r}: {why}")
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
        filesystem, path = fs.FileSystem.from_uri(legal(place))
    except ImportError as error:
        needed = _PACKAGES.get(_scheme(place), "fsspec")
        raise CorpusError(
            f"{without_secrets(place)} cannot be opened without the package {needed}; install it with "
            f"`pip install {needed}`"
        ) from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).replace(legal(place), without_secrets(place))  # Arrow quotes the URI as it is
        if "Unrecognized filesystem" in reason:
            hint = _INSTEAD.get(_scheme(place), f"it can read {_SCHEMES}")
            raise CorpusError(
                f"{without_secrets(place)} cannot be opened: nothing here reads {_scheme(place)}://; {hint}"
            ) from None
        hint = _QUERY_HINT if "query parameter" in reason else ""
        raise CorpusError(f"{without_secrets(place)} cannot be opened ({first_line(reason)}){hint}") from None
    if _scheme(place) in _WAITED_FOR and path:
        parts = urlsplit(legal(place))
        _require_answer(f"{parts.scheme}://{parts.netloc}", parts.query)
    if not path:
        raise CorpusError(f"{filesystem.type_name}:// names no place there; give a bucket or a folder")
    return filesystem, path


def _require_answer(bucket: str, query: str) -> None:
    """Look whether a store answers that Arrow would otherwise ask again and again for five minutes.

    Raises:
        CorpusError: it does not.
    """
    if (why := _no_answer(bucket, query)) is not None:
        raise CorpusError(
            f"{without_secrets(bucket)} does not answer in {ANSWERS_WITHIN} seconds, or no keys to it are found ({why})"
        )


@cache
def _no_answer(bucket: str, query: str) -> str | None:
    """Ask a store once, and return why there is no answer; that it may not be looked at is one, too."""
    options = [option for option in parse_qsl(query) if option[0] != _PATIENCE]
    try:
        filesystem, path = fs.FileSystem.from_uri(f"{bucket}?{urlencode([*options, (_PATIENCE, ANSWERS_WITHIN)])}")
        filesystem.get_file_info(path)
    except (pa.ArrowException, OSError) as error:
        return first_line(error) if "UNAVAILABLE" in str(error) else None
    return None


ANSWERS_WITHIN = 15
_WAITED_FOR = frozenset({"gs", "gcs"})
_PATIENCE = "retry_limit_seconds"

_SCHEMES = "s3://, gs://, abfss://, hdfs://, hf:// and file://"
_PACKAGES = {"hf": "huggingface_hub"}
_INSTEAD = {
    **dict.fromkeys(("s3a", "s3n"), "write s3://"),
    **dict.fromkeys(("http", "https", "ftp"), "download the file first, and name it here"),
    **dict.fromkeys(("az", "adl", "wasb", "wasbs"), "write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"),
    "dbfs": "write /dbfs/..., where Databricks mounts it",
}
_QUERY_HINT = "; what follows a ? are options: write %3F for one in a name, and * in a pattern"


def _scheme(uri: str) -> str:
    return uri.partition("://")[0].lower()


def legal(uri: str) -> str:
    """Percent-encode what may not stand in a URI: spaces, brackets, a percent sign that encodes nothing."""
    place, mark, query = uri.partition("?")
    place = _scheme(place) + place[len(_scheme(place)) :]  # in small letters, for Arrow
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


def first_line(error: Exception | str) -> str:
    """Return the first line of what an error says: Arrow adds its own stack."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
