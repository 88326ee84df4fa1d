"""``fasttext``: an imported classifier: the mean of the rows of a text's features, an output layer, and a loss."""
