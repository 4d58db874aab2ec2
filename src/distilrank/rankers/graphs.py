"""CUDA graphs for short batches: one launch instead of one per kernel. Launches take most of a short query's time."""

from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

# Longer batches keep a card busy without a graph.
_MOST_TOKENS = 2_048
# Lengths are rounded up to a multiple of this, so that few graphs serve all queries.
_STEP = 8
_MOST_GRAPHS = 64


@dataclass(frozen=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    states: Tensor


class GraphedReader:
    """Replays a model's forward pass. A graph is captured for each shape when it first comes."""

    def __init__(self) -> None:
        # A server answers in several threads, but a graph has one set of inputs.
        self._turn = Lock()
        self._graphs: dict[tuple[int, int, int], _Graph] = {}

    def reads(self, ids: Tensor) -> bool:
        """Whether this batch is read by a graph: a short one on a card. Autocast forbids it, because it may free its
        copies of weights before the graph."""
        return ids.is_cuda and ids.numel() <= _MOST_TOKENS and not torch.is_autocast_enabled("cuda")

    def __call__(self, model: PreTrainedModel, ids: Tensor, mask: Tensor, **inputs: Tensor) -> Tensor:
        """Last hidden states (rows, length, width)."""
        with self._turn:
            return self._replayed(model, ids, mask, inputs)

    def _replayed(self, model: PreTrainedModel, ids: Tensor, mask: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        length = ids.shape[1]
        more = -length % _STEP
        given = {name: pad(values, (0, more)) for name, values in inputs.items()}
        given |= {"input_ids": pad(ids, (0, more)), "attention_mask": pad(mask.long(), (0, more))}
        key = (id(model), *given["input_ids"].shape)
        if key not in self._graphs:
            if len(self._graphs) >= _MOST_GRAPHS:
                self._graphs.clear()
            self._graphs[key] = _captured(model, given)
        held = self._graphs[key]
        for name, values in given.items():
            held.inputs[name].copy_(values)
        held.graph.replay()
        return held.states[:, :length].clone()


def _captured(model: PreTrainedModel, given: dict[str, Tensor]) -> _Graph:
    inputs = {name: values.clone() for name, values in given.items()}
    # torch's notes on graphs ask for a warm-up on a side stream: it chooses kernels and takes memory before the
    # capture.
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # untyped in torch
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            model(**inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        states = model(**inputs).last_hidden_state
    return _Graph(graph, inputs, states)
