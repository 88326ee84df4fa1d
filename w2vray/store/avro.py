"""Avro files as Iceberg's metadata are: looked at for being whole, because who reads half a one may be ended by it.

A file is a header (a magic word, a map of bytes, a mark of 16 bytes) and blocks (how many values, how many bytes, those
bytes, the mark again). Source: https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

__all__ = ["require_whole"]

_MAGIC = b"Obj\x01"
_MARK = 16


def require_whole(data: bytes) -> None:
    """Look whether the blocks of a file end where it ends; what is in them is not looked at.

    Raises:
        ValueError: they do not.
    """
    if not data.startswith(_MAGIC):
        raise ValueError("it does not start as Avro")
    place, entries = _long(data, len(_MAGIC))
    while entries:
        if entries < 0:  # then how many bytes they have stands before them
            entries, (place, _) = -entries, _long(data, place)
        for _ in range(2 * entries):
            place, size = _long(data, place)
            place = _skipped(data, place, size)
        place, entries = _long(data, place)
    mark = data[place : place + _MARK]
    place = _skipped(data, place, _MARK)
    while place < len(data):
        place, _ = _long(data, place)
        place, size = _long(data, place)
        place = _skipped(data, _skipped(data, place, size), _MARK)
        if data[place - _MARK : place] != mark:
            raise ValueError("a block of it does not end as it should")


def _long(data: bytes, place: int) -> tuple[int, int]:
    """Read a number, 7 bits a byte, zigzag; return where it ends, and the number."""
    number = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("it ends in the middle")
        number |= (data[place] & 0x7F) << shift
        shift += 7
        place += 1
        if not data[place - 1] & 0x80:
            return place, (number >> 1) ^ -(number & 1)


def _skipped(data: bytes, place: int, size: int) -> int:
    if size < 0 or place + size > len(data):
        raise ValueError("it ends in the middle")
    return place + size
