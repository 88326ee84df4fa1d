"""Write the measured figures of ``docs/figures/*.json`` into README and the pages: tables, sentences, one plot.

A page has a pair of comments around each piece, and this script replaces what is between them::

    <!-- figures: accuracy -->
    ... written by this script ...
    <!-- end of figures -->

To measure anew, write the JSON files with the scripts that measure, then run this one (extra ``docs``)::

    python jobs/accuracy/make_table.py --data DIR --json ... > docs/figures/accuracy.json
    python jobs/accuracy/make_table.py --models auto --vectors glove50 joined ... > docs/figures/accuracy-auto.json
    python jobs/accuracy/make_table.py --models cnn lstm gru --words "frozen, 2-grams" ...  # accuracy-networks-ngrams
    python jobs/accuracy/make_table.py --rows-a-label 10 --json ...; and 50: figures of both in accuracy-few.json
    python jobs/benchmark/run.py --only job --corpus REVIEWS.parquet --runs 1 --output docs/figures/speed-jobs.json
    python jobs/benchmark/run.py --only unit --corpus REVIEWS.parquet --output docs/figures/speed-unit.json
    python jobs/benchmark/run.py --only fasttext --corpus REVIEWS.parquet --corpus-alone --output ...speed-fasttext.json
    python jobs/benchmark/run.py --only training --json > docs/figures/speed.json
    python jobs/benchmark/run.py --only job --job-megabytes 100 --runs 3 --json > docs/figures/speed-small.json
    python jobs/benchmark/run.py --only size --json > docs/figures/size.json
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
    accuracy_of_networks_with_ngrams,
    accuracy_of_networks_with_ngrams_in_a_sentence,
    accuracy_of_pieces,
    accuracy_with_few_rows,
)
from hosts_pieces import faults_on_hosts, faults_on_hosts_in_a_sentence, links_of_hosts
from measured_figures import FIGURES, ROOT, accuracies, fasttext, measured, of_corpora, rival, rounded
from speed_pieces import (
    NAMES,
    costs_of_jobs,
    jobs_of_fasttext_models,
    largest_store,
    sizes_of_stores,
    speed_in_a_line,
    speed_in_a_sentence,
    speed_of_formats,
    speed_of_jobs,
    speed_of_small_jobs,
    speed_of_texts,
    speed_of_training,
    speed_of_units,
    speed_plot,
)
from trust_pieces import calibration, calibration_in_a_sentence, evidence_costs, promises

__all__ = ["FIGURES", "PIECES", "accuracies", "bars", "rounded", "written"]

PLOT = FIGURES / "speed.svg"
PAGES = (
    "README.md",
    "docs/accuracy.md",
    "docs/performance.md",
    "docs/cluster.md",
    "docs/trust.md",
    "docs/explaining.md",
    "docs/fasttext.md",
)
_PIECE = re.compile(r"(<!-- figures: ([\w ,-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)

PIECES: Mapping[str, Callable[[], str]] = {
    "accuracy in short": accuracy_in_short,
    "accuracy beside tools": accuracy_beside_tools,
    "accuracy beside plain networks": accuracy_beside_plain_networks,
    "accuracy of all vectors": accuracy_of_all_vectors,
    "accuracy of networks with n-grams": accuracy_of_networks_with_ngrams,
    "accuracy of networks with n-grams in a sentence": accuracy_of_networks_with_ngrams_in_a_sentence,
    "accuracy of networks with n-grams, measured": lambda: measured("accuracy-networks-ngrams"),
    "accuracy of pieces": accuracy_of_pieces,
    "accuracy of pieces, measured": lambda: measured("accuracy-pieces"),
    "accuracy with few rows": accuracy_with_few_rows,
    "accuracy with few rows, measured": lambda: measured("accuracy-few"),
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
    "fastText models": jobs_of_fasttext_models,
    "fastText models, measured": lambda: measured("speed-fasttext"),
    "hosts, measured": lambda: measured("hosts"),
    "links of hosts": links_of_hosts,
    "promises": promises,
    "speed, measured": lambda: measured("speed"),
    "speed of formats": speed_of_formats,
    "speed of formats, measured": lambda: measured("speed-formats"),
    "speed of texts": speed_of_texts,
    "speed of texts, measured": lambda: measured("speed-texts"),
    "speed of jobs": speed_of_jobs,
    "speed of units": speed_of_units,
    "speed of units, measured": lambda: measured("speed-unit"),
    "costs of jobs": costs_of_jobs,
    "speed of jobs, measured": lambda: measured("speed-jobs"),
    "speed of training": speed_of_training,
    "speed in a sentence": speed_in_a_sentence,
    "speed of small jobs": speed_of_small_jobs,
    "speed in a line": speed_in_a_line,
    "sizes of stores": sizes_of_stores,
    "largest store": largest_store,
    "sizes of stores, measured": lambda: measured("size"),
    "speed plot": speed_plot,
}
"""What a page can have between its comments, by name."""


def written(page: str) -> str:
    """Return a page's text with each piece as the JSON files have it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    new = _PIECE.sub(lambda found: f"{found[1]}{PIECES[found[2]]()}{found[3]}", text)
    return new.replace("(docs/figures/", "(figures/") if page.startswith("docs/") else new


def bars() -> dict[str, list[tuple[str, float, bool]]]:
    """Return the bars of the plot, of each corpus: a name, MB/s, and whether it is ours."""
    drawn = {}
    for corpus, found in of_corpora("speed-jobs").items():
        average, cnn = found["job", "average"], found["job", "cnn"]
        drawn[NAMES[corpus]] = [
            ("w2vray, average", average["value"], True),
            (fasttext(average), rival(average, fasttext(average)), False),
            ("w2vray, cnn", cnn["value"], True),
            (fasttext(cnn), rival(cnn, fasttext(cnn)), False),
            ("TF-IDF, logistic regression", rival(cnn, "TF-IDF + LR"), False),
        ]
    return drawn


def draw() -> None:
    """Draw the plot: bars of the whole jobs on each corpus."""
    import matplotlib as mpl  # noqa: PLC0415 - of the extra `docs`, and only for this
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "w2vray", "font.family": "sans-serif"})
    figure, panels = plt.subplots(1, len(bars()), figsize=(9.6, 2.6), layout="constrained", sharey=True, sharex=True)
    for axes, (corpus, drawn) in zip(panels, bars().items(), strict=True):
        colors = ["#3f51b5" if ours else "#9e9e9e" for _, _, ours in drawn]
        bar = axes.barh([name for name, _, _ in drawn], [speed for _, speed, _ in drawn], color=colors)
        axes.bar_label(bar, [f"{rounded(speed)} MB/s" for _, speed, _ in drawn], padding=4)
        axes.set_title(corpus, fontsize="medium", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    panels[0].set_xlim(right=1.3 * max(speed for drawn in bars().values() for _, speed, _ in drawn))
    figure.supxlabel("MB of text a second, from Parquet to Parquet, on two cores", fontsize="medium")
    figure.savefig(PLOT, metadata={"Date": None, "Creator": "jobs/docs/figures.py"})
    PLOT.write_text(re.sub(r"[ \t]+$", "", PLOT.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    for page in PAGES:
        (ROOT / page).write_text(written(page), encoding="utf-8")
    draw()
