"""What is written: the directory of a scoring run, and the proof that it is whole. Nothing here knows Ray."""
