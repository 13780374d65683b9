"""Import jobs: reading CSV, mapping columns, progress, errors, undo. What a row means is told by importers above."""
