"""Ids to vectors: the table of word vectors, its directory, and the ways one comes to be."""

from w2vray.vectors.directory import Vectors
from w2vray.vectors.importing import import_vectors
from w2vray.vectors.writer import VectorsWriter

__all__ = ["Vectors", "VectorsWriter", "import_vectors"]
