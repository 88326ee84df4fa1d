"""An S3 server that copies on a condition, as Amazon's does: ``python -m tests.hosts.s3_server ADDRESS PORT``."""

import sys
from typing import Any

from moto.s3.exceptions import PreconditionFailed
from moto.s3.responses import S3Response
from moto.server import main

_copy_object = S3Response.copy_object


def _heeding(asked: S3Response) -> Any:
    """Copy; where the target is there, only without the condition that there is none, which moto does not look at."""
    there = asked.backend.get_object(asked.bucket_name, asked.parse_key_name()) is not None
    if asked.headers.get("If-None-Match") == "*" and there:
        raise PreconditionFailed("If-None-Match")
    return _copy_object(asked)


if __name__ == "__main__":
    S3Response.copy_object = _heeding  # type: ignore[method-assign, assignment]
    main(["-H", sys.argv[1], "-p", sys.argv[2]])
