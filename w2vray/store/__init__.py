"""What is read: the files of a document store, cut into units of work. Nothing here knows Ray."""
