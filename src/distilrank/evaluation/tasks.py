"""What rankers are measured at, and the one that needs no training."""

BM25 = "bm25"
TASKS = {"rerank": "Re-ranking BM25's candidates", "retrieve": "Searching the whole collection"}
