"""What is done with the bucket, by a program on a host: ``python -m tests.hosts.bucket make | put DIR PATH | get``."""

import os
import sys
from collections.abc import Callable

from pyarrow import fs

NAME = "bucket"


def _store() -> fs.S3FileSystem:
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    return fs.S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True)


def make() -> None:
    """Make the bucket."""
    _store().create_dir(NAME)


def put(folder: str, path: str) -> None:
    """Copy a folder to the bucket."""
    fs.copy_files(folder, f"{NAME}/{path}", destination_filesystem=_store())


def get(path: str, folder: str) -> None:
    """Copy what is at a path of the bucket to a folder."""
    fs.copy_files(f"{NAME}/{path}", folder, source_filesystem=_store())


if __name__ == "__main__":
    deeds: dict[str, Callable[..., None]] = {"make": make, "put": put, "get": get}
    deeds[sys.argv[1]](*sys.argv[2:])
