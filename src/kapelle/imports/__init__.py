"""Import jobs: reading CSV files, mapping columns, progress, errors, undo. What a row means is told by importers from above."""
