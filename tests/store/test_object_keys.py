"""Keys of an object store as people really have them, on an S3 server of the loopback."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from w2vray.cluster.score import score
from w2vray.errors import CorpusError
from w2vray.run.verify import verify
from w2vray.schema import FileReason
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files

FILE = io.BytesIO()
pq.write_table(pa.table({"text": ["bab dab", "dab"]}), FILE)
DATA = FILE.getvalue()

BUCKET = "bucket"
OBJECTS: Mapping[str, bytes] = {
    "slash/": b"",
    "slash/a.parquet": DATA,
    "same": b"",
    "same/a.parquet": DATA,
    "both": DATA,
    "both/a.parquet": DATA,
    "deep/er": b"",
    "deep/er/a.parquet": DATA,
    "deep/b.parquet": DATA,
    "a file": DATA,
    "a folder/a b.parquet": DATA,
    "percent/50%.parquet": DATA,
    "percent/a%20b.parquet": DATA,
    "percent/100%25/a.parquet": DATA,
    "signs/a?b.parquet": DATA,
    "signs/a#b.parquet": DATA,
    "signs/a+b.parquet": DATA,
    "signs/a&b=c;d.parquet": DATA,
    "signs/naïve 😀.parquet": DATA,
    "signs/[a]*.parquet": DATA,
    "signs/a\\b.parquet": DATA,
    "nameless//a.parquet": DATA,
    "nameless/b.parquet": DATA,
    "ends/a.parquet/": DATA,
    "double/x/a.parquet": DATA,
    "double/x//a.parquet": DATA,
    "odd/tab\there.parquet": DATA,
    "odd/" + "long" * 200 + ".parquet": DATA,
    "odd/e\u0301.parquet": DATA,
    "odd/\u00e9.parquet": DATA,
    "hive/": b"",
    "hive/k=": b"",
    "hive/k=/a.parquet": DATA,
    "hive/k=%20x/a.parquet": DATA,
    "hive/k==v=w/a.parquet": DATA,
    "hive/_k=hidden/a.parquet": DATA,
}


@pytest.fixture(scope="module")
def place() -> Iterator[Callable[[str], str]]:
    """Make the URI of a place in a bucket that holds the objects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        port = server.get_host_and_port()[1]
        client = botocore.session.get_session().create_client(
            "s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}"
        )
        client.create_bucket(Bucket=BUCKET)
        for key, data in OBJECTS.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=data)
        query = f"?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
        yield lambda key: f"s3://{BUCKET}/{key}{query}"
        server.stop()


def described(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """The files that can be read, by their names, and the others with the reason."""
    corpus = find_corpus(arguments)
    good, bad = describe_files(corpus, corpus.files, ["text"])
    assert all(file.rows == 2 for file in good)
    return [file.file.name for file in good], {file.name: failure.detail for file, failure in bad.items()}


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("slash", ["a.parquet"]),
        ("slash/", ["a.parquet"]),
        ("same", ["a.parquet"]),
        ("same/", ["a.parquet"]),
        ("both", ["both"]),
        ("both/", ["a.parquet"]),
        ("deep", ["b.parquet", "er/a.parquet"]),
        ("deep/", ["b.parquet", "er/a.parquet"]),
        ("deep/*", ["b.parquet", "er/a.parquet"]),
        ("a file", ["a file"]),
        ("a%20file", ["a file"]),
        ("a folder/", ["a b.parquet"]),
        ("a%20folder/a b.parquet", ["a b.parquet"]),
        ("percent", ["100%25/a.parquet", "50%.parquet", "a%20b.parquet"]),
        ("percent/50%.parquet", ["50%.parquet"]),
        ("percent/50%25.parquet", ["50%.parquet"]),
        ("percent/a%2520b.parquet", ["a%20b.parquet"]),
        ("percent/100%2525", ["a.parquet"]),
        ("percent/*%2520*", ["a%20b.parquet"]),
        ("*/a%20b.parquet", ["a folder/a b.parquet"]),
        ("*/a%3Fb.parquet", ["signs/a?b.parquet"]),
        ("*/%5Ba]%2A.parquet", ["signs/[a]*.parquet"]),
        ("signs/a%3Fb.parquet", ["a?b.parquet"]),
        ("signs/a#b.parquet", ["a#b.parquet"]),
        ("signs/a%23b.parquet", ["a#b.parquet"]),
        ("signs/a+b.parquet", ["a+b.parquet"]),
        ("signs/a%2Bb.parquet", ["a+b.parquet"]),
        ("signs/a&b=c;d.parquet", ["a&b=c;d.parquet"]),
        ("signs/naïve 😀.parquet", ["naïve 😀.parquet"]),
        ("signs/na%C3%AFve%20%F0%9F%98%80.parquet", ["naïve 😀.parquet"]),
        ("signs/[a]*.parquet", ["[a]*.parquet"]),
        ("signs/a\\b.parquet", ["a\\b.parquet"]),
        ("signs/a[+#]*.parquet", ["a#b.parquet", "a+b.parquet"]),
        ("odd/e\u0301.parquet", ["e\u0301.parquet"]),
        ("odd/\u00e9.parquet", ["\u00e9.parquet"]),
        ("odd/", ["e\u0301.parquet", "long" * 200 + ".parquet", "tab\there.parquet", "\u00e9.parquet"]),
        ("hive/k=%2520x", ["a.parquet"]),
    ],
)
def test_a_uri_names_the_files_of_its_key(key: str, names: list[str], place: Callable[[str], str]) -> None:
    assert described(place(key)) == (names, {})


def test_every_file_of_a_folder_is_read_whatever_signs_its_key_has(place: Callable[[str], str]) -> None:
    names, bad = described(place("signs"))

    assert (names, bad) == (sorted(key.removeprefix("signs/") for key in OBJECTS if key.startswith("signs/")), {})


def test_an_empty_object_that_stands_for_a_folder_is_counted(place: Callable[[str], str]) -> None:
    assert find_corpus([place("deep")]).ignored.lines() == [
        "1 file not read: an empty object with the key of a folder (er)"
    ]


@pytest.mark.parametrize(
    ("key", "file"), [("nameless", "/a.parquet"), ("nameless/", "/a.parquet"), ("*/*", "nameless//a.parquet")]
)
def test_a_folder_without_a_name_is_the_reason_why_a_file_is_not_read(
    key: str, file: str, place: Callable[[str], str]
) -> None:
    _, bad = described(place(key))

    assert bad[file].startswith("a key with // in it has a folder without a name, which Arrow cannot open")


def test_of_two_keys_that_differ_by_a_slash_alone_one_is_read_and_the_other_is_told(
    place: Callable[[str], str],
) -> None:
    names, bad = described(place("double"))

    assert names == ["x/a.parquet"]
    assert list(bad) == ["x//a.parquet"]
    assert bad["x//a.parquet"].startswith("a key with // in it has a folder without a name")


def test_folders_of_keys_are_columns_and_the_markers_of_empty_ones_are_counted(place: Callable[[str], str]) -> None:
    corpus = find_corpus([place("hive")])

    assert [(file.name, file.partition_values) for file in corpus.files] == [
        ("_k=hidden/a.parquet", {"_k": "hidden"}),
        ("k=%20x/a.parquet", {"k": " x"}),
        ("k=/a.parquet", {"k": ""}),
        ("k==v=w/a.parquet", {"k": "=v=w"}),
    ]
    assert corpus.ignored.lines() == ["1 file not read: an empty object with the key of a folder (k=)"]


def test_data_under_a_key_that_ends_in_a_slash_is_told(place: Callable[[str], str]) -> None:
    _, bad = described(place("ends"))

    assert bad["a.parquet"].endswith("it is gone, or its key ends in a slash")
    for key in ("ends/a.parquet", "ends/a.parquet/"):
        with pytest.raises(CorpusError, match="holds no file; it is empty, or an object whose key ends in a slash"):
            described(place(key))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("nameless//a.parquet", "a key with // in it has a folder without a name, which Arrow cannot open; copy it"),
        ("a file/", "is a file and not a folder; leave out the slash after it"),
        ("percent/b%20c.parquet", "is not there; write %25 for a percent sign in a URI"),
        ("signs/c.parquet", "is not there"),
        ("signs/a?b.parquet", "what follows a ? are options: write %3F for one in a name, and * in a pattern"),
    ],
)
def test_what_cannot_be_named_is_refused_with_the_reason(key: str, message: str, place: Callable[[str], str]) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([place(key)])

    assert message in str(refused.value)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("key", ["deep", "same/", "signs", "percent"])
def test_such_a_store_is_scored_and_verified(
    key: str,
    place: Callable[[str], str],
    make_model: Callable[..., Path],
    read_parts: Callable[..., pa.Table],
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {"model": str(make_model()), "output": str(tmp_path / "run")}
    summary = score(ScoreSettings(corpus=(place(key),), **settings))
    proof = verify(VerifySettings(run=str(tmp_path / "run"), deep=True))

    below = [name.removeprefix(f"{key.rstrip('/')}/") for name in OBJECTS if name.startswith(f"{key.rstrip('/')}/")]
    files = sorted(name for name in below if name != "er")
    assert (summary.exit_code, proof.ok, proof.ignored) == (0, True, summary.ignored)
    rows = read_parts(tmp_path / "run").to_pylist()
    assert [row["source_file"] for row in rows] == [name for name in files for _ in range(2)]


def test_keys_that_are_changed_are_those_that_files_are_described_with(
    place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook they are often set after the first store was read; without any, this server gives nothing."""
    corpus = find_corpus([place("signs")])
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        good, bad = describe_files(corpus, corpus.files, ["text"])
        assert (good, {failure.reason for failure in bad.values()}) == ([], {FileReason.NO_PERMISSION})

    assert described(place("signs"))[1] == {}
