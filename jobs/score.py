r"""Classify a store, as a job.

::

    ray job submit --address http://HEAD:8265 --working-dir . -- \
        python jobs/score.py s3://bucket/store --model /data/model --output s3://bucket/run
"""

import sys

from w2vray.cli import main

if __name__ == "__main__":
    main(["score", *sys.argv[1:]])
