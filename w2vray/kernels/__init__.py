"""Fast paths of scoring and of training, compiled by numba. Each equals a plain model elsewhere, and a test says so.

Training's are ``backpropagating``, ``gathering`` and ``pooling``; ``multiplying`` is of both. Importing this package
imports no numba; its modules do. Where numba cannot be imported, or cannot compile, the plain models do the work: see
``compiling.why_no_kernels``.
"""
