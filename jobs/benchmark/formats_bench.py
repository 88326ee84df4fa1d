"""The same rows in each format of stores: whole jobs of ``average``; Ray is started and stopped each time.

Every text begins with the number of its copy, so that no two are the same. Beside the time, the CPU seconds of all
processes are told: they mean something on a machine that has other work, too.
"""

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from material import MB, ROW_GROUP, Material
from stopwatch import CpuSeconds, Row, alternate
from whole_jobs import Place

from w2vray.cluster.score import score

__all__ = ["FORMATS", "measure_formats"]

FILES = 8


def measure_formats(material: Material, megabytes: float, runs: int) -> Iterator[Row]:
    """Score the same rows from each format; each is compared with Parquet."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        place = Place(Path(name), material)
        copies = max(1, round(megabytes / material.megabytes))
        rivals: dict[str, Callable[[], float]] = {}
        cpu: dict[str, list[float]] = {}
        for ending, write in FORMATS.items():
            store = place.folder / ending
            store.mkdir()
            size = write_rows(store, ending, write, material.texts, copies)
            rivals[ending] = partial(_scored, place, store, size, cpu.setdefault(ending, []))
        speed = alternate(rivals, runs)
        for ending, seconds in cpu.items():
            rows = len(material.texts) * copies
            note = f"{size:,.0f} MB of text in {rows:,} rows; {size / speed[ending]:,.1f} s, "
            note += f"{sorted(seconds)[len(seconds) // 2]:,.1f} CPU s"
            against = {} if ending == "parquet" else {"parquet": speed[ending] / speed["parquet"]}
            yield Row("formats", ending, speed[ending], "MB/s", against, note)


def _scored(place: Place, store: Path, size: float, cpu: list[float]) -> float:
    settings = place.settings(store, "average")
    with CpuSeconds() as used:
        summary = score(settings, address="local")
    assert summary.exit_code == 0
    assert not summary.rows_rejected
    cpu.append(used.seconds)
    return size


def write_rows(
    folder: Path, ending: str, write: "Callable[[Path, Iterator[pa.Table]], None]", texts: pa.Array, copies: int
) -> float:
    """Write a store of the texts, so many times over, in files of one format; return its text in MB."""
    size = 0.0

    def tables(number: int) -> Iterator[pa.Table]:
        nonlocal size
        for copy in range(number, copies, FILES):
            number_of = pa.scalar(f"{copy} ", pa.large_string())
            numbered = pc.binary_join_element_wise(number_of, texts, pa.scalar("", pa.large_string()))
            size += float(numbered.nbytes / MB)
            first = copy * len(texts)
            yield pa.table({"id": pa.array(range(first, first + len(texts)), pa.int64()), "text": numbered})

    for number in range(min(FILES, copies)):
        write(folder / f"part-{number}.{ending}", tables(number))
    return size


def _parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first, row_group_size=ROW_GROUP)
        for table in tables:
            writer.write_table(table, row_group_size=ROW_GROUP)


def _lines(path: Path, tables: Iterator[pa.Table], opened: Callable[[Path], Any]) -> None:
    with opened(path) as file:
        for table in tables:
            for row in table.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _csv(path: Path, tables: Iterator[pa.Table], opened: Callable[[Path], Any]) -> None:
    first = next(tables)
    with opened(path) as file, pyarrow.csv.CSVWriter(file, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _plain(path: Path) -> IO[bytes]:
    return path.open("wb")


def _gzip(path: Path) -> gzip.GzipFile:
    return gzip.open(path, "wb", compresslevel=6)


def _zstd(path: Path) -> pa.NativeFile:
    return pa.CompressedOutputStream(str(path), "zstd")


FORMATS: Mapping[str, Callable[[Path, Iterator[pa.Table]], None]] = {
    "parquet": _parquet,
    "jsonl": partial(_lines, opened=_plain),
    "jsonl.gz": partial(_lines, opened=_gzip),
    "jsonl.zst": partial(_lines, opened=_zstd),
    "csv": partial(_csv, opened=_plain),
    "csv.gz": partial(_csv, opened=_gzip),
    "csv.zst": partial(_csv, opened=_zstd),
}
"""How a file of each is written, by its ending."""
