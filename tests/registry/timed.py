"""What `latency` writes."""

from distilrank.artifacts import layout
from distilrank.artifacts.files import write_json
from distilrank.artifacts.manifest import digest


def write_latency(models: list[str], indexed: list[str], median: float = 5.0, machine: str = "a machine") -> None:
    places = [layout.MODELS / name for name in models] + [layout.VECTORS / name for name in indexed]
    times = {"median": median, "p90": median}
    reranking = {name: {"single": times, "concurrent": times, "encoded beforehand": times} for name in models}
    searching = {name: {"single": times, "concurrent": times} for name in indexed}
    told = {"machine": machine, "depth": 3, "top_k": 10, "queries": 3, "clients": 4}
    told |= {"measured": {str(place): digest(place) for place in places}}
    write_json(
        layout.LATENCY, told | {"bytes_per_passage": {}, "milliseconds": {"rerank": reranking, "retrieve": searching}}
    )
