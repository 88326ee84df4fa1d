"""Ids to vectors: the table of word vectors, its directory, and the ways one comes to be."""

from w2vray.vectors.directory import Vectors, VectorsWriter
from w2vray.vectors.importing import import_vectors

__all__ = ["Vectors", "VectorsWriter", "import_vectors"]
