from pathlib import Path

import pytest

from w2vray.errors import CorpusError
from w2vray.store.corpus import find_corpus


@pytest.fixture
def table(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with rows and the log of a table."""
    for name in ("day=1/part-0.parquet", request.param):
        file = tmp_path / "lake" / "table" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return tmp_path / "lake" / "table"


LOGS = {
    "_delta_log/00000000000000000000.json": "Delta Lake",
    ".hoodie/hoodie.properties": "Hudi",
    "metadata/v1.metadata.json": "Iceberg",
    "metadata/00001-3f2a.metadata.json": "Iceberg",
}


@pytest.mark.parametrize(("table", "kind"), LOGS.items(), indirect=["table"])
@pytest.mark.parametrize("named", ["..", "*", "day=*/*.parquet"])
def test_a_folder_with_a_tables_log_in_it_is_refused_by_the_tables_name(table: Path, kind: str, named: str) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([f"{table}/{named}"])

    assert f"{kind} table: its log says which files and rows are current" in str(refused.value)


@pytest.mark.parametrize(("table", "kind"), [pair for pair in LOGS.items() if pair[1] != "Iceberg"], indirect=["table"])
@pytest.mark.parametrize("named", ["day=1", "day=1/part-0.parquet", "day=1/*"])
def test_a_part_of_a_table_is_refused_too(table: Path, kind: str, named: str) -> None:
    with pytest.raises(CorpusError, match=f"table is a {kind} table"):
        find_corpus([f"{table}/{named}"])


@pytest.mark.parametrize(("table", "kind"), LOGS.items(), indirect=["table"])
def test_a_table_whose_log_is_no_log_or_of_no_known_kind_is_refused(table: Path, kind: str) -> None:
    with pytest.raises(CorpusError, match=f"table is an? {kind} table"):
        find_corpus([str(table)])


def test_a_folder_called_metadata_is_no_table(tmp_path: Path) -> None:
    for name in ("metadata/a.parquet", "a.metadata.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    assert len(find_corpus([str(tmp_path)]).files) == 2
