"""The wide part of a model: logistic regression on hashed runs of words, whose logits are added to the model's own."""
