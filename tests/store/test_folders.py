import pyarrow as pa
import pytest

from w2vray.store.folders import folder_types, folder_values, planned_type


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


def test_what_is_not_utf8_when_it_is_decoded_stays_as_it_is_written() -> None:
    found = [folder_values(f"k={value}/a.parquet")["k"] for value in ("%E9", "%E8", "%C3%A9", "%ZZ", "100%")]

    assert found == ["%E9", "%E8", "é", "%ZZ", "100%"]


def test_columns_of_different_folders_are_told_apart() -> None:
    found = folder_types(["lang=en/year=2020/x.parquet", "lang=de/x.parquet", "x.parquet"])

    assert found == {"lang": pa.string(), "year": pa.int64()}


@pytest.mark.parametrize(
    ("value", "planned", "expected"),
    [
        ("2023", pa.int64(), pa.int64()),
        ("2023", pa.string(), pa.string()),
        ("2", pa.float64(), pa.float64()),
        ("unknown", pa.int64(), pa.string()),
        (None, pa.int64(), pa.int64()),
        ("2024-01-31", pa.date32(), pa.date32()),
    ],
    ids=str,
)
def test_a_file_that_came_later_has_the_planned_type_if_its_value_is_written_as_one(
    value: str | None, planned: pa.DataType, expected: pa.DataType
) -> None:
    assert planned_type(value, planned) == expected
