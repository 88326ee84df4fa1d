"""``average`` with frozen vectors: multinomial logistic regression on the texts' means.

The problem is convex and is solved to its optimum by full-batch L-BFGS instead of in small steps; loss and gradient are
summed over the workers.

Legend: N examples of this worker, D width of a vector, C classes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from w2vray.batches import WordVectors, by_length
from w2vray.training import Examples, SumOverWorkers

__all__ = ["LogisticFit", "fit_logistic", "text_means"]


@dataclass(frozen=True)
class LogisticFit:
    """The optimum, and the objective after each iteration (penalised, a mean over all examples, in nats)."""

    weight_CD: Tensor
    bias_C: Tensor
    objectives: list[float]


def text_means(words: WordVectors, examples: Examples) -> Tensor:
    """Return means_ND in float64."""
    means_ND = torch.zeros(len(examples), words.dim, dtype=torch.float64)
    with torch.no_grad():
        for batch in by_length(examples.ids_L, examples.offsets_N1):
            sums_BD = words(batch).sum(dim=1)
            means_ND[torch.from_numpy(batch.texts_B)] = (sums_BD / batch.lengths_B.clamp(min=1)[:, None]).double()
    return means_ND


def fit_logistic(
    means_ND: Tensor,
    labels_N: Tensor,
    classes: int,
    *,
    C: float,
    max_iterations: int,
    sum_over_workers: SumOverWorkers = lambda value: value,
) -> LogisticFit:
    """Minimise the summed cross-entropy times ``C`` plus half the squared weights; the intercept is not penalised.

    This is scikit-learn's ``LogisticRegression`` for the same ``C``. Its two-class form has one weight vector w, the
    difference of our two; ours are +w/2 and -w/2 at the optimum, so that the same penalty on w is twice that on them.
    """
    penalty = 0.5 if classes > 2 else 1.0
    examples = float(sum_over_workers(torch.tensor([float(len(labels_N))], dtype=torch.float64)))
    parameters_CD1 = torch.zeros(classes, means_ND.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [parameters_CD1],
        max_iter=max_iterations,
        max_eval=4 * max_iterations,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    objectives: list[float] = []

    def closure() -> Tensor:
        weight_CD, bias_C = parameters_CD1[:, :-1], parameters_CD1[:, -1]
        loss = F.cross_entropy(F.linear(means_ND, weight_CD, bias_C), labels_N, reduction="sum") * C
        (gradient_CD1,) = torch.autograd.grad(loss, parameters_CD1)
        summed = sum_over_workers(torch.cat([loss.detach().reshape(1), gradient_CD1.reshape(-1)]))
        scale = 1.0 / (C * examples)
        gradient_CD1 = summed[1:].reshape(parameters_CD1.shape).clone()
        gradient_CD1[:, :-1] += 2 * penalty * weight_CD.detach()
        parameters_CD1.grad = gradient_CD1 * scale
        objective = (summed[0] + penalty * weight_CD.detach().square().sum()) * scale
        objectives.append(float(objective))
        return objective

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    solution_CD1 = parameters_CD1.detach().float()
    return LogisticFit(solution_CD1[:, :-1].clone(), solution_CD1[:, -1].clone(), objectives)
