r"""Check a scoring run, as a job.

::

    ray job submit --address http://HEAD:8265 --working-dir . -- \
        python jobs/verify.py s3://bucket/run
"""

import sys

from w2vray.cli import main

if __name__ == "__main__":
    main(["verify", *sys.argv[1:]])
