"""``lstm`` and ``gru``: words read in order; the state after the last one, or the maximum of the states."""
