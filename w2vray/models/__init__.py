"""Vectors to logits, in torch: each model's ``forward`` is plain.

On a CPU, where kernels compile, a model learns by its ``read`` instead, with the same logits up to rounding: of ``cnn``
by ``pooled_convolution``, of ``lstm`` and ``gru`` by ``stepped_recurrence``, which call compiled functions. Importing
this package imports no torch; its modules do.
"""
