"""Write the measured figures of ``docs/figures/*.json`` into README and the pages: tables, sentences, one plot.

A page has a pair of comments around each piece, and this script replaces what is between them::

    <!-- figures: accuracy -->
    ... written by this script ...
    <!-- end of figures -->

To measure anew, write the JSON files with the scripts that measure, then run this one (extra ``docs``)::

    python jobs/accuracy/make_table.py --data DIR --json ... > docs/figures/accuracy.json
    python jobs/accuracy/make_table.py --data DIR --models auto --seeds 1 --json > docs/figures/accuracy-auto.json
    python jobs/benchmark/run.py --only job look-up models training --json > docs/figures/speed.json
    python jobs/benchmark/run.py --only job --job-megabytes 100 --runs 3 --json > docs/figures/speed-small.json
    python jobs/benchmark/run.py --only formats --corpus REVIEWS.parquet --json > docs/figures/speed-formats.json
    python jobs/benchmark/run.py --only evidence --corpus REVIEWS.parquet --json > docs/figures/evidence.json
    python jobs/benchmark/run.py --only look-up models --corpus REVIEWS.parquet --output docs/figures/speed-texts.json
    python jobs/accuracy/make_calibration.py --data DIR --json; python jobs/accuracy/precision_promise.py --json
    make test-hosts HOSTS_ARGS="--output docs/figures/hosts.json"; the same with --links
    python jobs/docs/figures.py
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one, also where a test loads it

from accuracy_pieces import (
    accuracy_beside_plain_networks,
    accuracy_beside_tools,
    accuracy_in_short,
    accuracy_of_all_vectors,
    accuracy_of_pieces,
)
from hosts_pieces import faults_on_hosts, faults_on_hosts_in_a_sentence, links_of_hosts
from measured_figures import FIGURES, ROOT, accuracies, fasttext, measured, rival, rounded, speeds
from speed_pieces import (
    speed_in_a_sentence,
    speed_of_formats,
    speed_of_formats_again,
    speed_of_jobs,
    speed_of_kernels,
    speed_of_small_jobs,
    speed_of_texts,
    speed_of_training,
    speed_plot,
)
from trust_pieces import calibration, calibration_in_a_sentence, evidence_costs, promises

__all__ = ["FIGURES", "PIECES", "accuracies", "rounded", "speeds", "written"]

PLOT = FIGURES / "speed.svg"
PAGES = (
    "README.md",
    "docs/accuracy.md",
    "docs/performance.md",
    "docs/cluster.md",
    "docs/trust.md",
    "docs/explaining.md",
)
_PIECE = re.compile(r"(<!-- figures: ([\w ,-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

PIECES: Mapping[str, Callable[[], str]] = {
    "accuracy in short": accuracy_in_short,
    "accuracy beside tools": accuracy_beside_tools,
    "accuracy beside plain networks": accuracy_beside_plain_networks,
    "accuracy of all vectors": accuracy_of_all_vectors,
    "accuracy of pieces": accuracy_of_pieces,
    "accuracy of pieces, measured": lambda: measured("accuracy-pieces"),
    "accuracy with n-grams, measured": lambda: measured("accuracy-ngrams"),
    "accuracy of auto, measured": lambda: measured("accuracy-auto"),
    "accuracy, measured": lambda: measured("accuracy"),
    "calibration": calibration,
    "calibration in a sentence": calibration_in_a_sentence,
    "evidence": evidence_costs,
    "evidence, measured": lambda: measured("evidence"),
    "calibration, measured": lambda: measured("calibration"),
    "faults on hosts": faults_on_hosts,
    "faults on hosts in a sentence": faults_on_hosts_in_a_sentence,
    "hosts, measured": lambda: measured("hosts"),
    "links of hosts": links_of_hosts,
    "promises": promises,
    "speed, measured": lambda: measured("speed"),
    "speed of formats": speed_of_formats,
    "speed of formats again": speed_of_formats_again,
    "speed of formats, measured": lambda: measured("speed-formats"),
    "speed of texts": speed_of_texts,
    "speed of texts, measured": lambda: measured("speed-texts"),
    "speed of jobs": speed_of_jobs,
    "speed of kernels": speed_of_kernels,
    "speed of training": speed_of_training,
    "speed in a sentence": speed_in_a_sentence,
    "speed of small jobs": speed_of_small_jobs,
    "speed plot": speed_plot,
}
"""What a page can have between its comments, by name."""


def written(page: str) -> str:
    """Return a page's text with each piece as the JSON files have it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    new = _PIECE.sub(lambda found: f"{found[1]}{PIECES[found[2]]()}{found[3]}", text)
    return new.replace("(docs/figures/", "(figures/") if page.startswith("docs/") else new


def draw() -> None:
    """Draw the plot: bars of the whole jobs."""
    import matplotlib as mpl  # noqa: PLC0415 - of the extra `docs`, and only for this
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "w2vray", "font.family": "sans-serif"})
    average, cnn = speeds()["job", "average"], speeds()["job", "cnn"]
    ours, others = "#3f51b5", "#9e9e9e"
    bars = [
        ("w2vray, average", average["value"], ours),
        (fasttext(average), rival(average, fasttext(average)), others),
        ("w2vray, cnn", cnn["value"], ours),
        (fasttext(cnn), rival(cnn, fasttext(cnn)), others),
        ("TF-IDF, logistic regression", rival(cnn, "TF-IDF + LR"), others),
    ]
    figure, axes = plt.subplots(figsize=(7.2, 2.5), layout="constrained")
    drawn = axes.barh([name for name, _, _ in bars], [speed for _, speed, _ in bars], color=[bar[2] for bar in bars])
    axes.bar_label(drawn, [f"{rounded(speed)} MB/s" for _, speed, _ in bars], padding=4)
    axes.invert_yaxis()
    axes.set_xlim(right=max(speed for _, speed, _ in bars) * 1.18)
    axes.set_xlabel("MB of text a second, from Parquet to Parquet, on two cores")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, metadata={"Date": None, "Creator": "jobs/docs/figures.py"})
    PLOT.write_text(re.sub(r"[ \t]+$", "", PLOT.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    for page in PAGES:
        (ROOT / page).write_text(written(page), encoding="utf-8")
    draw()
