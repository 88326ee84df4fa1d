"""The weights that ``fasttext`` stores, by the names and shapes that torch gives them, without torch."""

from w2vray.models.fasttext.settings import FastTextSettings

__all__ = ["fasttext_shapes"]


def fasttext_shapes(settings: FastTextSettings, dim: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight.

    Hierarchical softmax has a row of ``output`` for each inner node of its tree. ``tree`` has the left and
    the right child of each: labels come first, in their order, and then the inner nodes, with the root as the last.
    """
    if settings.loss != "hs":
        return {"output": (classes, dim)}
    return {"output": (classes - 1, dim), "tree": (classes - 1, 2)}
