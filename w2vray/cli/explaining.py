"""``w2vray explain MODEL``: the words that speak for each label and against it."""

from itertools import zip_longest
from typing import Any

from w2vray.cli.command import verb
from w2vray.cli.console import Output, table
from w2vray.settings.explaining import ExplainSettings

__all__ = ["explain"]


@verb("explain", ExplainSettings, examples=("w2vray explain model", "w2vray explain model --label positive --top 30"))
def explain(output: Output, /, **arguments: Any) -> None:
    """Tell which words speak for each label of a model, and which against it."""
    settings = ExplainSettings(**arguments)
    from w2vray.scoring.spoken_words import explain_model

    found = explain_model(settings)
    tables = [
        table(
            f"label {item.label}",
            ["for", "logits", "against", "logits"],
            [
                [*(one or ("", "")), *(other or ("", ""))]
                for one, other in zip_longest(item.words_for, item.words_against)
            ],
        )
        for item in found.labels
    ]
    output.result(
        found.as_dict(),
        *tables,
        f"{settings.model}: {found.kind}; of {found.of}, in a text of each word alone",
    )
