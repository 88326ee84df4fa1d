"""Train text classifiers on word vectors, then classify whole document stores with them, on a Ray cluster.

What the command line does, the functions here do, with the same options as keywords::

    import w2vray

    w2vray.import_vectors("glove.6B.100d.txt.gz", output="vectors")
    w2vray.train("labelled.parquet", vectors="vectors", output="model")
    w2vray.score("store/", model="model", output="run", keep=["id"])
    assert w2vray.verify("run").ok

Importing this package starts nothing and imports neither ray nor torch; each name is loaded when it is first used.
"""

import sys

# `python -m w2vray` puts the folder one stands in first: a typing.py in it would be taken for Python's own.
# That of the package itself stays, where it is run as it lies, without an installation.
if (
    sys.argv[:1] == ["-m"]  # as long as Python looks for the module that it is to run
    and "w2vray" in sys.orig_argv
    and not sys.flags.safe_path
    and sys.path[0] != __file__.rpartition("/w2vray/")[0]
):
    del sys.path[0]

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2vray.cluster.calibrate import CalibrationSummary
    from w2vray.cluster.connecting import connected
    from w2vray.cluster.evaluate import EvaluationSummary
    from w2vray.cluster.score import ScoreSummary
    from w2vray.cluster.train import TrainSummary
    from w2vray.errors import UnusableInputError, W2vrayError
    from w2vray.models.directory import Bundle
    from w2vray.run.forecast import Forecast
    from w2vray.run.judging import RunEstimate
    from w2vray.run.progress import ScoreProgress
    from w2vray.run.sampling import SampleSummary
    from w2vray.run.status import RunStatus
    from w2vray.run.verify import VerifySummary
    from w2vray.run.writing_reports import ReportSummary
    from w2vray.scoring.answers import Scores
    from w2vray.scoring.scorer import TextScorer
    from w2vray.scoring.spoken_words import Explanation
    from w2vray.text.lookup import Lookup
    from w2vray.vectors import Vectors
    from w2vray.verbs import (
        calibrate,
        evaluate,
        evaluate_run,
        explain,
        import_model,
        import_vectors,
        join_vectors,
        plan,
        report,
        sample,
        score,
        status,
        train,
        train_vectors,
        verify,
    )

__all__ = [
    "Bundle",
    "CalibrationSummary",
    "EvaluationSummary",
    "Explanation",
    "Forecast",
    "Lookup",
    "ReportSummary",
    "RunEstimate",
    "RunStatus",
    "SampleSummary",
    "ScoreProgress",
    "ScoreSummary",
    "Scores",
    "TextScorer",
    "TrainSummary",
    "UnusableInputError",
    "Vectors",
    "VerifySummary",
    "W2vrayError",
    "__version__",
    "calibrate",
    "connected",
    "evaluate",
    "evaluate_run",
    "explain",
    "import_model",
    "import_vectors",
    "join_vectors",
    "plan",
    "report",
    "sample",
    "score",
    "status",
    "train",
    "train_vectors",
    "verify",
]

__version__ = "0.1.0"

_HOME = {
    "Bundle": "w2vray.models.directory",
    "CalibrationSummary": "w2vray.cluster.calibrate",
    "EvaluationSummary": "w2vray.cluster.evaluate",
    "Explanation": "w2vray.scoring.spoken_words",
    "Forecast": "w2vray.run.forecast",
    "Lookup": "w2vray.text.lookup",
    "ReportSummary": "w2vray.run.writing_reports",
    "RunEstimate": "w2vray.run.judging",
    "RunStatus": "w2vray.run.status",
    "SampleSummary": "w2vray.run.sampling",
    "ScoreProgress": "w2vray.run.progress",
    "ScoreSummary": "w2vray.cluster.score",
    "Scores": "w2vray.scoring.answers",
    "TextScorer": "w2vray.scoring.scorer",
    "TrainSummary": "w2vray.cluster.train",
    "UnusableInputError": "w2vray.errors",
    "Vectors": "w2vray.vectors",
    "VerifySummary": "w2vray.run.verify",
    "W2vrayError": "w2vray.errors",
    "calibrate": "w2vray.verbs",
    "connected": "w2vray.cluster.connecting",
    "evaluate": "w2vray.verbs",
    "evaluate_run": "w2vray.verbs",
    "import_model": "w2vray.verbs",
    "explain": "w2vray.verbs",
    "import_vectors": "w2vray.verbs",
    "join_vectors": "w2vray.verbs",
    "plan": "w2vray.verbs",
    "report": "w2vray.verbs",
    "sample": "w2vray.verbs",
    "score": "w2vray.verbs",
    "status": "w2vray.verbs",
    "train": "w2vray.verbs",
    "train_vectors": "w2vray.verbs",
    "verify": "w2vray.verbs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'w2vray' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
