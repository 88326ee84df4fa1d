"""Training in one process, or as one of several workers: examples, epochs, steps, logistic regression."""
