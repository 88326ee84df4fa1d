"""Scoring in one process: a model directory and texts to answers."""
