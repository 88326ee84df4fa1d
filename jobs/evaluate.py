r"""Measure a classifier, as a job.

::

    ray job submit --address http://HEAD:8265 --working-dir . -- \
        python jobs/evaluate.py /data/test --model /data/model
"""

import sys

from w2vray.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
