r"""Classify texts, as a job.

::

    ray job submit --address http://HEAD:8265 --working-dir . -- \
        python jobs/predict.py --model /data/model "a text"
"""

import sys

from w2vray.cli import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
