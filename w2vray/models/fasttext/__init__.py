"""``fasttext``: a supervised model of fastText, imported: the mean of a text's features, an output layer, and a loss."""
