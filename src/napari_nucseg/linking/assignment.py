"""One-to-one assignment on sparse pairs."""

import numpy as np

from napari_nucseg._types import AnyArray


def assign(
    rows: AnyArray, columns: AnyArray, scores: AnyArray, *, most_pairs: bool = False
) -> AnyArray:
    """Choose pairs so that no row and no column occurs twice.

    The best choice, by linear sum assignment. Solved for each group of connected pairs on its own:
    a dense problem of all at once would take memory and time that grow with the square and the cube
    of their number.

    Parameters
    ----------
    rows, columns : arrays (n,), int
        The pairs, each once; counted from 0.
    scores : array (n,), float
        Above 0, at most 1; their sum over the chosen pairs is made as large as possible.
    most_pairs : bool
        Take as many pairs as possible, and only then look at the scores.

    Returns
    -------
    array, int
        Indices of the chosen pairs, ascending.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(rows) == 0:
        return np.zeros(0, np.int64)
    n_rows = int(rows.max()) + 1
    n_nodes = n_rows + int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows)), (rows, n_rows + columns)), shape=(n_nodes, n_nodes))
    groups = connected_components(graph, directed=False)[1][rows]
    order = np.argsort(groups, kind="stable")
    chosen = []
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(members) == 1:
            chosen.append(members)
            continue
        ids, row = np.unique(rows[members], return_inverse=True)
        partners, column = np.unique(columns[members], return_inverse=True)
        gain = np.zeros((len(ids), len(partners)))
        # With `most_pairs` all scores together stay below one pair.
        weight = 1 + scores[members] / (2 * min(gain.shape)) if most_pairs else scores[members]
        gain[row, column] = weight
        best_row, best_column = linear_sum_assignment(gain, maximize=True)
        partner = np.full(len(ids), -1)
        partner[best_row] = best_column
        chosen.append(members[partner[row] == column])
    return np.sort(np.concatenate(chosen))
