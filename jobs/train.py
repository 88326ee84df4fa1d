r"""Train a classifier, as a job.

::

    ray job submit --address http://HEAD:8265 --working-dir . -- \
        python jobs/train.py /data/labelled --vectors /data/vectors --output /data/model
"""

import sys

from w2vray.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
