from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.store.avro import require_whole

MARK = bytes(range(16))


def number(value: int) -> bytes:
    """Write a number as Avro does."""
    left, written = (value << 1) ^ (value >> 63), bytearray()
    while left > 0x7F:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*written, left])


def avro(header: dict[str, bytes], blocks: list[bytes], *, sized: bool = False) -> bytes:
    """Write an Avro file of blocks of one value."""
    entries = b"".join(number(len(part)) + part for key, value in header.items() for part in (key.encode(), value))
    counted = number(-len(header)) + number(len(entries)) if sized else number(len(header))
    stated = counted + entries if header else b""
    written = b"".join(number(1) + number(len(block)) + block + MARK for block in blocks)
    return b"Obj\x01" + stated + number(0) + MARK + written


FILES = st.builds(
    avro,
    st.dictionaries(st.text(max_size=5), st.binary(max_size=200)),
    st.lists(st.binary(max_size=300)),
    sized=st.booleans(),
)


@given(FILES)
def test_a_whole_file_is_whole(data: bytes) -> None:
    require_whole(data)


@given(
    st.lists(st.binary(min_size=1, max_size=300), min_size=1), st.integers(min_value=1, max_value=10_000), st.booleans()
)
def test_a_file_without_its_end_is_not(blocks: list[bytes], lost: int, sized: bool) -> None:
    data = avro({"avro.codec": b"null"}, blocks, sized=sized)
    last = len(number(1) + number(len(blocks[-1])) + blocks[-1] + MARK)

    with pytest.raises(ValueError, match="it ends in the middle"):
        require_whole(data[: len(data) - 1 - lost % (last - 1)])


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda _: b"", "does not start as Avro"),
        (lambda data: data[:3], "does not start as Avro"),
        (lambda data: data[:4], "ends in the middle"),
        (lambda data: data[:30], "ends in the middle"),
        (lambda data: data[:-1] + b"?", "a block of it does not end as it should"),
        (lambda data: data + b"\x02", "ends in the middle"),
        (lambda _: b"Obj\x01" + b"\xff" * 20, "ends in the middle"),
    ],
)
def test_damage_is_told(damage: Callable[[bytes], bytes], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        require_whole(damage(avro({"avro.codec": b"null", "avro.schema": b"{}"}, [b"abc", b"de"])))
