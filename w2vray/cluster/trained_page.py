"""The page of a model, as its training writes it: the learning curve, and the rows that were kept for the test."""

from pathlib import Path

from w2vray.cluster.measured_rows import ROWS, MeasuredRows
from w2vray.cluster.waiting import Note
from w2vray.models.directory import ModelConfig
from w2vray.run.writing_reports import PAGE, write_model_report
from w2vray.scoring.metrics import Metrics, MultiLabelMetrics
from w2vray.stages import stage

__all__ = ["write_model_page"]


def write_model_page(
    model: Path, config: ModelConfig, test: Metrics | MultiLabelMetrics | None, rows: MeasuredRows | None, note: Note
) -> None:
    """Write the page into a model directory; the model stands without it, too.

    Args:
        model: the directory.
        config: what the model is.
        test: its metrics on the rows kept for the test; None without such.
        rows: those rows with their answers. Their texts are not shown: models are passed on.
        note: told where the page could not be made.
    """
    stage("writing the page")
    try:
        tested = None
        if test is not None and rows is not None:
            from w2vray.pages.evaluation import evaluation_data  # noqa: PLC0415 - matplotlib takes a second to import

            rows.publish()
            stated = {**test.as_dict(), "model": model.name}
            tested = evaluation_data(rows.folder / ROWS, stated, config.labels, with_texts=False)
        write_model_report(model, config, tested)
    except Exception as error:  # noqa: BLE001 - whatever a page fails by, the model is there
        note(f"{model / PAGE} could not be made ({type(error).__name__}: {error}); the model is there")
