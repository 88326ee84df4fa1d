"""The verbs of models that others have trained: ``w2vray models VERB``.

Each imports what it needs when it is called, so that ``--help`` answers at once.
"""

from typing import Any

import click

from w2vray.cli.command import verb
from w2vray.cli.console import Output
from w2vray.cli.parsing import Verbs
from w2vray.settings.models import ImportModelSettings

__all__ = ["models"]


@click.group(cls=Verbs)
def models() -> None:
    """Import classifiers that other programs have trained."""


@verb(
    "import",
    ImportModelSettings,
    when_stopped="no model was written",
    examples=("w2vray models import lid.176.ftz --output languages", 'w2vray predict --model languages "Guten Tag"'),
)
def models_import(output: Output, /, **arguments: Any) -> None:
    """Import a supervised model of fastText (.bin, .ftz).

    It becomes a model directory as any other: score, predict and evaluate take it.
    """
    from w2vray.models.card import model_card
    from w2vray.models.fasttext.importing import import_model

    with output.progress("rows") as update:
        made = import_model(ImportModelSettings(**arguments), lambda done, total: update(done, total, ""))
    result = {"kind": "model", "path": made.place, "fingerprint": made.fingerprint, **made.config.as_dict()}
    output.result(result, model_card(made.config).rstrip())


models.add_command(models_import)
