"""BM25 and nearest-neighbour search."""
