"""Calibration, thresholds and evidence on Ray are those of one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.stores import read_run
from w2vray.cluster.calibrate import calibrate
from w2vray.cluster.score import ScoreSummary, score
from w2vray.models.directory import Bundle
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import CalibrateSettings


def both(store: Path, model: Path, folder: Path) -> tuple[Bundle, ScoreSummary, list[dict[str, Any]]]:
    """Calibrate with a promise, then score with evidence; on whatever Ray there is."""
    calibrate(
        CalibrateSettings(
            labelled=(str(store),),
            model=str(model),
            output=str(folder / "calibrated"),
            target_precision=0.8,
        )
    )
    settings = ScoreSettings(
        corpus=(str(store),), model=str(folder / "calibrated"), output=str(folder / "run"), evidence=2
    )
    summary = score(settings)
    return Bundle.load(folder / "calibrated"), summary, read_run(folder / "run").to_pylist()


@pytest.mark.long
@pytest.mark.ray
def test_on_ray_they_are_as_in_one_process(
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    store, model = make_store(files=2, rows=150), make_model()
    scorer = TextScorer.load(model)
    for file in sorted(store.iterdir()):  # what the model says, but for some of which it is not sure
        table = pq.read_table(file)
        scores = scorer.score(table["text"].to_pylist())
        sure_N = scores.probabilities_NC.max(axis=1)
        wrong_N = (sure_N < np.quantile(sure_N, 0.75)) & (np.arange(len(sure_N)) % 2 == 0)
        given_N = np.where(wrong_N, (scores.label_N + 1) % 3, scores.label_N)
        labels = pa.array([scores.labels[label] for label in given_N])
        pq.write_table(table.set_column(table.schema.get_field_index("label"), "label", labels), file)
    request.getfixturevalue("local_ray")
    on_ray, summary, rows = both(store, model, tmp_path / "on-ray")
    request.getfixturevalue("training_in_process")
    here, expected_summary, expected = both(store, model, tmp_path / "here")

    assert on_ray.config.temperatures == here.config.temperatures != ()
    assert on_ray.config.thresholds == here.config.thresholds
    assert on_ray.config.thresholds is not None
    assert summary.rows_below_threshold == expected_summary.rows_below_threshold > 0
    assert rows == expected
    assert sum(bool(row["evidence"]) for row in rows) == 300
