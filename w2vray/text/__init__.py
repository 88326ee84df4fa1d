"""Texts to ids: Arrow columns to texts, texts to tokens, tokens to rows of the table."""
