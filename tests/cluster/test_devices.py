"""Runs on devices: the same rows, the same promises; and what a worker takes of its machine."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from w2vray.cluster.score import score
from w2vray.cluster.score_worker import ScoringWorker
from w2vray.cluster.sharing import share
from w2vray.errors import ClusterError, RunError
from w2vray.models.directory import Bundle
from w2vray.run.one_unit import ScoringJob
from w2vray.run.request import Request
from w2vray.run.verify import verify
from w2vray.scoring.scorer import numeric_profile
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.settings.device import Device

Make = Callable[..., Path]
ON_CPU = Device(batch_tokens=2048)


def run_score(store: Path, model: Path, run: Path, **options: Any) -> Path:
    score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), probabilities=True, **options))
    return run


def hashes(run: Path) -> list[str]:
    return [hashlib.sha256(part.read_bytes()).hexdigest() for part in sorted(run.glob("scores/part-*.parquet"))]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("kind", ["average", "cnn"])
def test_a_run_on_a_device_gives_each_row_what_a_run_on_cpus_gives(  # noqa: PLR0917 - fixtures
    kind: str, make_store: Make, make_model: Make, read_parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rejected and filtered rows included; its parts are the same bytes in every run, and it verifies."""
    texts = [None if row % 7 == 0 else "bab bob" * (row % 5) for row in range(300)]
    store, model = make_store(text=texts), make_model(kind, "unknown")
    options: dict[str, Any] = {"where": "id != '0-1'", "keep": ("id",)}
    here = read_parts(run_score(store, model, tmp_path / "here", **options))
    monkeypatch.setattr("w2vray.run.request._device", lambda _: ON_CPU)
    run = run_score(store, model, tmp_path / "there", **options)
    there = read_parts(run)

    assert verify(VerifySettings(run=str(run))).ok
    assert hashes(run_score(store, model, tmp_path / "again", **options)) == hashes(run) != []
    assert read_parts(run, "rejected").equals(read_parts(tmp_path / "here", "rejected"))
    assert len(read_parts(run, "rejected")) > 100
    numbers = ["score", "probabilities"]
    assert there.drop_columns(numbers).equals(here.drop_columns(numbers))
    one, other = (run["probabilities"].drop_null().combine_chunks() for run in (here, there))
    np.testing.assert_allclose(one.flatten().to_numpy(), other.flatten().to_numpy(), atol=1e-5)
    told = json.loads((run / "manifest.json").read_text())["profiles"]
    assert told == [numeric_profile(ON_CPU)], "as its workers are"


@pytest.mark.usefixtures("in_process")
def test_a_run_of_another_precision_is_refused(make_store: Make, make_model: Make, tmp_path: Path) -> None:
    """It changes answers."""
    store, model = make_store(), make_model()
    run_score(store, model, tmp_path / "run")

    with pytest.raises(RunError, match="--precision was not given before, and is tf32 now"):
        run_score(store, model, tmp_path / "run", gpu=True, precision="tf32")


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "--gpu: this Ray has no GPU; leave out --gpu"), ({"workers": 2}, "--gpu with --workers 2 needs as many")],
)
def test_gpus_that_are_not_there_are_an_error_at_once(
    options: dict[str, Any], words: str, make_store: Make, make_model: Make, tmp_path: Path
) -> None:
    with pytest.raises(ClusterError, match=words):
        run_score(make_store(), make_model(), tmp_path / "run", gpu=True, **options)


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("device", [None, ON_CPU])
@pytest.mark.parametrize("cpus", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_worker_takes_no_more_cpus_than_it_was_given(
    cpus: int, device: Device | None, make_model: Make, tmp_path: Path
) -> None:
    """One thread for each library, told to those too that are imported later.

    numba's pool is never started, for no kernel is parallel.
    """
    bundle = Bundle.load(make_model("cnn"))
    settings = ScoreSettings(corpus=("store",), model="model", output=str(tmp_path / "run"), projection_cache=1)
    request = replace(Request.of(settings, bundle), device=device, threads=cpus)
    job = ScoringJob(request=request, roots=(), schema=pa.schema([]), kept_schema=pa.schema([]))

    def pools(shared: Any) -> dict[str, Any]:
        import os  # noqa: PLC0415 - of the other process

        import threadpoolctl  # type: ignore[import-untyped] # noqa: PLC0415
        import torch  # noqa: PLC0415
        from numba.np.ufunc import parallel  # noqa: PLC0415

        worker = ScoringWorker(shared, bundle, job, "drafts-none")
        worker.scorer.score(["bab bob"])
        blas = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        return {
            "torch": torch.get_num_threads(),
            "arrow": pa.cpu_count(),
            "openmp": int(os.environ["OMP_NUM_THREADS"]),
            "blas": max(blas),
            "numba": int(parallel._is_initialized),
        }

    remote: Any = ray.remote(num_cpus=cpus, max_calls=1)(pools)  # a process of its own
    found = ray.get(remote.remote(share(bundle.open_vectors(None))))

    assert found.pop("blas") <= cpus
    assert found == {"torch": 1, "arrow": 1, "openmp": 1, "numba": 0}
