"""The compiled twin of the look-up: equal to ``text.lookup``, which is its plain model."""
