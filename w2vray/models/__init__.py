"""Vectors to logits, in plain torch. Importing this package imports no torch; its modules do."""
