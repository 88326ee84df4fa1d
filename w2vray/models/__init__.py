"""Vectors to logits, in torch: each model's ``forward`` is plain.

``kinds`` is the table of models, each of which has a room beside it. On a CPU, where kernels compile, a model learns by
its ``read`` instead, where it has one, with the same logits up to rounding. Importing this package imports no torch;
modules that compute in it do.
"""
