"""Fast paths of scoring, compiled by numba. Each equals a plain model elsewhere, and a test says so.

Importing this package imports no numba; its modules do. Where numba cannot be imported, or cannot compile, the plain
models do the work: see ``compiling.usable``.
"""
