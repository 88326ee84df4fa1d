"""The verbs in Python: what ``w2vray VERB`` does on the command line, as a function with typed keywords.

Each function takes the fields of its settings class and returns the summary that the verb prints with ``--json``. Help
on an option is written in the settings class alone; it is added to the functions' docstrings when this package is
imported, so ``help(w2vray.score)`` shows it.

Each imports what it needs when it is called, so that ``import w2vray`` starts nothing.
"""

from w2vray.verbs.arguments import Names, Place, Places
from w2vray.verbs.models import calibrate, evaluate, explain, import_model, train
from w2vray.verbs.runs import evaluate_run, plan, report, sample, score, status, verify
from w2vray.verbs.vectors import import_vectors, join_vectors, train_vectors

__all__ = [
    "Names",
    "Place",
    "Places",
    "calibrate",
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
