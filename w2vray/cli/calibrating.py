"""``calibrate``: arguments to settings, one library call, a result for people or as JSON."""

from typing import Any

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted
from w2vray.cli.promises import promised, tell_without_promise
from w2vray.cli.rows_shown import said, tell_damaged
from w2vray.cluster.ahead import start_processes
from w2vray.settings.labelled import CalibrateSettings

__all__ = ["calibrate"]


@verb(
    "calibrate",
    CalibrateSettings,
    on_cluster=True,
    when_stopped="no model was written",
    examples=(
        "w2vray calibrate checked.csv --model model --output calibrated",
        "w2vray calibrate checked.csv --model model --output calibrated --target-precision 0.95",
    ),
)
def calibrate(output: Output, /, *, address: str | None, **arguments: Any) -> None:
    """Fit a model's probabilities to labelled rows that its training did not see."""
    settings = CalibrateSettings(**arguments)
    start_processes(address)
    from w2vray.cluster.calibrate import calibrate as calibrate_model

    with output.progress("calibrating"):
        summary = calibrate_model(settings, address=address, note=output.note)
    tell_damaged(output, summary.rows_damaged)
    least, most = min(summary.temperatures, default=1.0), max(summary.temperatures, default=1.0)
    told = f"temperature {least:.3g}" if least == most else f"temperatures {least:.3g} to {most:.3g}"
    why = "no other one makes these rows more probable" if summary.fitted else "none can be fitted to such a model"
    kept = "" if summary.changed else f" (as before: {why})"
    rows = f"{'fitted on' if summary.fitted else 'by'} {counted(summary.rows, 'row')}"
    seen = summary.rows_trained_on or 0
    fitted = (
        f"{summary.model}: {told}{kept}, {rows}; left out: {seen:,} that the training saw, "
        f"{summary.rows_without_label:,} without a label{said(summary.rows_unlabelled)}, "
        f"{summary.rows_without_evidence:,} without a known word or a readable text"
    )
    error = (
        f"calibration error before {summary.before.error:.4f}, after {summary.after.error:.4f} (by 5 folds); a "
        f"perfectly calibrated model would have {summary.after.by_chance:.4f} by chance"
    )
    lines = [fitted, error]
    if summary.thresholds is not None:
        lines.append(promised(summary.thresholds))
        tell_without_promise(output, summary.labels_without_promise)
    output.result(summary.as_dict(), *lines)
