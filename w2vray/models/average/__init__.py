"""``average``: the mean of a text's word vectors, then multinomial logistic regression."""
