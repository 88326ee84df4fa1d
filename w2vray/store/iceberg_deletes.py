"""The rows that Iceberg's files of position deletes delete."""

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.errors import CorpusError

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask

__all__ = ["DeletedRows", "without_scheme"]

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(//)?")


class DeletedRows:
    """The rows that files of position deletes delete. Each such file is read once."""

    def __init__(self, named: str, io: "FileIO") -> None:
        self.named, self.io = named, io
        self.seen: dict[str, dict[str, npt.NDArray[np.int64]]] = {}

    def rows(self, task: "FileScanTask") -> npt.NDArray[np.int64] | None:
        """Return a file's deleted rows in order, None where there are none."""
        found = [self._of(file).get(_bare(task.file.file_path)) for file in task.delete_files]
        rows = [rows_N for rows_N in found if rows_N is not None]
        return np.unique(np.concatenate(rows)) if rows else None

    def _of(self, file: "DataFile") -> dict[str, npt.NDArray[np.int64]]:
        kind = file.file_format.name
        if kind != "PARQUET":
            what = "by deletion vectors" if kind == "PUFFIN" else f"by files of {kind}"
            raise CorpusError(
                f"{self.named} is an Iceberg table whose rows are deleted {what}, which w2vray cannot read; rewrite "
                "its data files, and name it again"
            )
        if file.file_path not in self.seen:
            with self.io.new_input(file.file_path).open() as handle:
                read = pq.read_table(pa.PythonFile(handle, mode="r"), columns=["file_path", "pos"])
            paths = read["file_path"].cast(pa.string()).combine_chunks().dictionary_encode()
            names = np.array([_bare(name) for name in paths.dictionary.to_pylist()], dtype=object)
            of_row, rows_N = names[paths.indices.to_numpy()], read["pos"].to_numpy().astype(np.int64)
            self.seen[file.file_path] = {name: rows_N[of_row == name] for name in set(names)}
        return self.seen[file.file_path]


def _bare(location: str) -> str:
    """Return a place without what is spelled in several ways: ``file:/``, ``file:///``, ``s3a://``."""
    return without_scheme(location).lstrip("/")


def without_scheme(location: str) -> str:
    """Return a path of what metadata name: a URI, or a path as it is."""
    return _SCHEME.sub("", location, count=1)
