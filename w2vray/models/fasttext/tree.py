"""The tree of hierarchical softmax: Huffman's, over how often each label was seen.

Source: ``HierarchicalSoftmaxLoss::buildTree`` of fastText 0.9.2.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError

__all__ = ["label_tree"]


def label_tree(counts: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return the left and the right child of each inner node, [C - 1, 2].

    Leaves are numbered as their labels, inner nodes from C on as they are made. ``counts`` descend, as fastText
    writes its labels.

    Raises:
        VectorsError: they do not descend.
    """
    classes = len(counts)
    if any(before < after for before, after in pairwise(counts)):
        raise VectorsError("the labels do not come by how often they were seen; the file is damaged")
    totals = [*counts, *[0] * (classes - 1)]
    children = np.zeros((classes - 1, 2), dtype=np.float32)
    leaf, node = classes - 1, classes
    for inner in range(classes, 2 * classes - 1):
        for side in range(2):
            if leaf >= 0 and (node == inner or totals[leaf] < totals[node]):
                children[inner - classes, side] = leaf
                leaf -= 1
            else:
                children[inner - classes, side] = node
                node += 1
        totals[inner] = sum(totals[int(child)] for child in children[inner - classes])
    return children
