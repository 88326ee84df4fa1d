"""Pages that a person reads: one self-contained HTML file each, which asks no network for anything."""
