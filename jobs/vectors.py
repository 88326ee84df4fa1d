r"""Import, train or look into word vectors, as a job.

::

    ray job submit --address http://HEAD:8265 --working-dir . -- \
        python jobs/vectors.py train s3://bucket/store --output /data/vectors
"""

import sys

from w2vray.cli import main

if __name__ == "__main__":
    main(["vectors", *sys.argv[1:]])
