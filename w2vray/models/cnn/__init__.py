"""``cnn``: filters of several widths over the words, the maximum of each over time, a dense layer (Kim, 2014)."""
