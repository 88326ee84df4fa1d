"""The page of a model, as its training writes it: learning curve, rows kept for the test, labels that look wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2vray.cluster.held_out import Tested
from w2vray.cluster.measured_rows import ROWS, MeasuredRows
from w2vray.cluster.waiting import Note
from w2vray.models.directory import ModelConfig
from w2vray.pages.evaluation_data import evaluation_data
from w2vray.run.writing_reports import PAGE, SUSPECTS, write_model_report
from w2vray.stages import stage

__all__ = ["write_model_page"]


def write_model_page(
    model: Path,
    config: ModelConfig,
    test: Tested | None,
    rows: MeasuredRows | None,
    *,
    suspects: Mapping[str, Any] | None,
    note: Note,
) -> None:
    """Write the page into a model directory; the model stands without it, too.

    Args:
        model: the directory.
        config: what the model is.
        test: how good it is on the rows kept for the test; None without such.
        rows: those rows with their answers. Their texts are not shown: models are passed on.
        suspects: of ``suspects_of``: rows of the training whose label looks wrong.
        note: told where the page could not be made.
    """
    stage("writing the page")
    try:
        told: dict[str, Any] = {}
        if test is not None and rows is not None:
            rows.publish()
            stated = {**test.as_dict(), "model": model.name}
            told = evaluation_data(rows.folder / ROWS, stated, config.labels, with_texts=False)
        write_model_report(model, config, told if suspects is None else {**told, SUSPECTS: dict(suspects)})
    except Exception as error:  # noqa: BLE001 - whatever a page fails by, the model is there
        note(f"{model / PAGE} could not be made ({type(error).__name__}: {error}); the model is there")
