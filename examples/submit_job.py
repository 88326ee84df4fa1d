"""Train and score as jobs on a Ray cluster: `w2vray submit` ships the code, follows the log, returns the exit code.

::

    export RAY_AUTH_MODE=token
    ray start --head --node-ip-address=127.0.0.1 --dashboard-port 8265     # a cluster of this machine alone, to try it
    python examples/submit_job.py http://127.0.0.1:8265 [FOLDER]

On a real cluster FOLDER is one that all machines share, or each place is a URI such as s3://bucket/store; models and
vectors are on a shared filesystem. `cluster.yaml` makes such a cluster on AWS.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from reviews import write_reviews

import w2vray


def main(address: str, folder: Path) -> None:
    """Run two jobs, one after the other, and verify the result from here."""
    folder = folder.absolute()  # a job runs elsewhere: it is given whole paths
    store, labelled, vectors = folder / "store", folder / "labelled.parquet", folder / "vectors"
    model, run = folder / "model", folder / "run"
    for part in range(3):
        write_reviews(store / f"part-{part}.parquet", 400, seed=part)
    write_reviews(labelled, 500, seed=10)
    w2vray.train_vectors(store, output=vectors, dim=50, epochs=200, skip_gram=True, threads=1)

    # The verbs and options are those of the command line.
    code = submit(address, f"train {labelled} --vectors {vectors} --output {model} --model average")
    if code:
        sys.exit(code)  # the job has printed what is wrong

    # 3: finished, but a file could not be read. The same command tries it again; `--on-bad skip` accepts the gap.
    code = submit(address, f"score {store} --model {model} --output {run} --keep id")
    if code not in {0, 3}:
        sys.exit(code)

    verified = w2vray.verify(run)
    print(f"{verified.rows_scored} rows scored, {'verified' if verified.ok else verified.problems}")


def submit(address: str, verb: str) -> int:
    """Run a verb as a job, with its log on this terminal, and return its exit code."""
    command = [sys.executable, "-m", "w2vray", "submit", "--address", address, "--", *verb.split()]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python examples/submit_job.py http://HEAD:8265 [FOLDER]")
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="w2vray-")))
