"""Fast paths of scoring and of training, compiled by numba. Each equals a plain model elsewhere, and a test says so.

They know no model: what is compiled for one stands in its room, in ``w2vray/models``. Importing this package imports no
numba; its modules do. Where numba cannot be imported, or cannot compile, the plain models do the work: see
``compiling.why_no_kernels``.
"""
