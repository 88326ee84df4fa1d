"""Tables of accuracies, as pages have them."""

from collections.abc import Mapping

from measured_figures import Row, accuracies, read_figures, table

__all__ = [
    "accuracy_beside_plain_networks",
    "accuracy_beside_tools",
    "accuracy_in_short",
    "accuracy_of_all_vectors",
    "accuracy_of_networks_with_ngrams",
    "accuracy_of_networks_with_ngrams_in_a_sentence",
    "accuracy_of_pieces",
    "accuracy_with_few_rows",
]

VECTORS = {
    "glove50": "GloVe 50d",
    "googlenews8k": "GoogleNews, 8,007 words",
    "joined": "both joined",
    "trained": "trained on the set",
}
RECURRENT = ("average", "cnn", "lstm", "gru")
_NETWORKS = RECURRENT[1:]
_NETWORKS_WITH_NGRAMS = "accuracy-networks-ngrams"


def _cell(figure: Row | None, *, spread: bool = True) -> str:
    if figure is None:
        return ""
    of_seeds = f" ({figure['spread_percent']:.1f})" if spread and figure["spread_percent"] is not None else ""
    return f"{figure['mean_percent']:.1f}{of_seeds}"


def _sets() -> list[str]:
    return list(dict.fromkeys(key[0] for key in accuracies()))


def _accuracy_table(columns: Mapping[str, tuple[str, str, str]], *, spread: bool) -> str:
    """Return a row for each set; a column is a heading and the vectors, the model and the words that it shows."""
    found = {**accuracies(), **accuracies("accuracy-ngrams"), **accuracies("accuracy-auto")}
    rows = [[name, *(_cell(found.get((name, *key)), spread=spread) for key in columns.values())] for name in _sets()]
    return table(["set", *columns], [row for row in rows if any(row[2:])])


def accuracy_in_short() -> str:
    """Return the table of README."""
    columns = {
        "`auto`": ("glove50", "auto", "2-grams"),
        "`average`": ("glove50", "average", "frozen"),
        "`average`, 2-grams": ("glove50", "average", "frozen, 2-grams"),
        "`cnn`": ("glove50", "cnn", "frozen"),
        "`gru`": ("glove50", "gru", "frozen"),
        "TF-IDF and logistic regression": ("-", "tfidf", "-"),
        "fastText, 2-grams": ("-", "fasttext", "-"),
    }
    return _accuracy_table(columns, spread=False)


def accuracy_beside_tools() -> str:
    """Return the models with frozen words, beside what people would use instead."""
    columns = {
        "auto": ("glove50", "auto", "2-grams"),
        "auto, joined vectors": ("joined", "auto", "2-grams"),
        "average": ("glove50", "average", "frozen"),
        "average, 2-grams": ("glove50", "average", "frozen, 2-grams"),
        **{model: ("glove50", model, "frozen") for model in RECURRENT},
        "scikit-learn on the same means": ("glove50", "sklearn", "frozen"),
        "TF-IDF, 1- and 2-grams": ("-", "tfidf", "-"),
        "fastText, 2-grams": ("-", "fasttext", "-"),
    }
    return _accuracy_table(columns, spread=True)


def accuracy_beside_plain_networks() -> str:
    """Return the networks beside those that one would write in plain torch, of the sets that these were measured on."""
    shown = {
        "`cnn`": "cnn",
        "plain CNN": "plain-cnn",
        "padded CNN": "padded-cnn",
        "`lstm`": "lstm",
        "plain LSTM": "plain-lstm",
        "`gru`": "gru",
        "plain GRU": "plain-gru",
    }
    found, sets = accuracies(), _sets()
    rows = [
        [name, *(_cell(found.get((name, "glove50", model, "frozen"))) for model in shown.values())]
        for name in sets
        if (name, "glove50", "plain-cnn", "frozen") in found
    ]
    return table(["set", *shown], rows)


def accuracy_with_few_rows() -> str:
    """Return what is learnt from few rows of each label: a row for each set and number of rows."""
    shown = {
        "auto": "auto",
        "average": "average",
        "cnn": "cnn",
        "scikit-learn on the same means": "sklearn",
        "TF-IDF, 1- and 2-grams": "tfidf",
        "fastText, 2-grams": "fasttext",
    }
    found = {
        (figure["row"]["set"], figure["rows_a_label"], figure["row"]["model"]): figure
        for figure in read_figures("accuracy-few")["figures"]
    }
    rows = [
        [name, str(few), *(_cell(found.get((name, few, model))) for model in shown.values())]
        for name in dict.fromkeys(key[0] for key in found)
        for few in sorted({key[1] for key in found if key[0] == name})
    ]
    return table(["set", "rows a label", *shown], rows)


def accuracy_of_networks_with_ngrams() -> str:
    """Return the networks without n-grams and with them, words frozen."""
    rows = []
    for name in dict.fromkeys(key[0] for key in accuracies(_NETWORKS_WITH_NGRAMS)):
        pairs = [_without_and_with(name, model) for model in _NETWORKS]
        rows.append([name, *(_cell(figure) for pair in pairs for figure in pair)])
    return table(["set", *(head for model in _NETWORKS for head in (f"`{model}`", f"`{model}`, 2-grams"))], rows)


def accuracy_of_networks_with_ngrams_in_a_sentence() -> str:
    """Say by how much n-grams raise the networks, at least and at most."""
    gains = {}
    for name, _, model, _ in accuracies(_NETWORKS_WITH_NGRAMS):
        without, with_them = _without_and_with(name, model)
        gains[name, model] = with_them["mean_percent"] - without["mean_percent"]
    ends = (choice(gains, key=lambda pair: gains[pair]) for choice in (min, max))
    least, most = (f"{gains[name, model]:.1f} points (`{model}` on {name})" for name, model in ends)
    return f"Each of the networks gains on every set: at least {least}, at most {most}.\n"


def _without_and_with(name: str, model: str) -> tuple[Row, Row]:
    without = accuracies()[name, "glove50", model, "frozen"]
    return without, accuracies(_NETWORKS_WITH_NGRAMS)[name, "glove50", model, "frozen, 2-grams"]


def accuracy_of_all_vectors() -> str:
    """Return every set with every table of vectors: words frozen / words tuned."""
    found, rows = accuracies(), []
    for name in _sets():
        for number, (vectors, title) in enumerate(VECTORS.items()):
            cells = [
                " / ".join(_cell(found[name, vectors, model, words]) for words in ("frozen", "tuned"))
                for model in RECURRENT
            ]
            rows.append([name if number == 0 else "", title, *cells])
    return table(["set", "vectors", *RECURRENT], rows).replace("|  |", "| |")


def accuracy_of_pieces() -> str:
    """Return tables of pieces of words beside one of words, frozen."""
    found = accuracies("accuracy-pieces")
    tables = {
        "glove50": "GloVe, 50 numbers",
        "wordllama256": "WordLlama, 256 numbers",
        "tokenlearn64": "multilingual tokenlearn, 64 numbers",
    }
    columns = {
        f"`{model}`, {title}": (vectors, model, "frozen")
        for model in ("average", "cnn")
        for vectors, title in tables.items()
    }
    rows = [
        [name, *(_cell(found.get((name, *key))) for key in columns.values())]
        for name in dict.fromkeys(key[0] for key in found)
    ]
    return table(["set", *columns], rows)
