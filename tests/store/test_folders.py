import pyarrow as pa
import pytest

from w2vray.store.folders import folder_types


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2019", "2020"], pa.int64()),
        (["-1", "0"], pa.int64()),
        (["2019", "__HIVE_DEFAULT_PARTITION__"], pa.int64()),
        (["__HIVE_DEFAULT_PARTITION__"], pa.string()),
        (["01", "02"], pa.string()),
        (["2019", "unknown"], pa.string()),
        (["9" * 30], pa.string()),
        (["0.5", "2"], pa.float64()),
        (["0.50"], pa.string()),
        (["1e5"], pa.string()),
        (["nan"], pa.string()),
        (["2024-01-31"], pa.date32()),
        (["2024-02-31"], pa.string()),
        (["2024-01-31", "2019"], pa.string()),
        (["2024-01-31 12%3A30%3A00"], pa.timestamp("us")),
        (["true"], pa.string()),
    ],
    ids=str,
)
def test_a_column_has_a_type_if_every_value_is_written_as_one(values: list[str], expected: pa.DataType) -> None:
    assert folder_types(f"k={value}/x.parquet" for value in values) == {"k": expected}


def test_columns_of_different_folders_are_told_apart() -> None:
    found = folder_types(["lang=en/year=2020/x.parquet", "lang=de/x.parquet", "x.parquet"])

    assert found == {"lang": pa.string(), "year": pa.int64()}
