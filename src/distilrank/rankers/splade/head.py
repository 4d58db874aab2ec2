"""The masked-language-model head (BERT: arXiv 1810.04805, section 3.1), and the source of its weights."""

import math
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn, zeros
from torch.nn.functional import gelu, linear

from distilrank.errors import BackboneError

# With this value and a MiniLM of two layers, a passage of 60 tokens starts with some 300 entries.
_LEAST_COSINE = 0.25

# For each weight of the head, its names in checkpoints. A checkpoint has one of them.
_BERTS = {
    "dense.weight": ("cls.predictions.transform.dense.weight",),
    "dense.bias": ("cls.predictions.transform.dense.bias",),
    # Google's checkpoints keep TensorFlow's names.
    "norm.weight": ("cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.gamma"),
    "norm.bias": ("cls.predictions.transform.LayerNorm.bias", "cls.predictions.transform.LayerNorm.beta"),
    "bias": ("cls.predictions.bias", "cls.predictions.decoder.bias"),
}
_DISTILBERTS = {
    "dense.weight": ("vocab_transform.weight",),
    "dense.bias": ("vocab_transform.bias",),
    "norm.weight": ("vocab_layer_norm.weight",),
    "norm.bias": ("vocab_layer_norm.bias",),
    "bias": ("vocab_projector.bias",),
}


class MaskedWordHead(nn.Module):
    """A dense layer, GELU and LayerNorm, then products with the word embeddings, plus a bias.

    The word embeddings are the backbone's. Each call passes them in, so the head holds no copy.
    """

    def __init__(self, width: int, embedding_width: int, vocabulary: int, epsilon: float) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding_width)
        self.norm = nn.LayerNorm(embedding_width, eps=epsilon)
        self.bias = nn.Parameter(zeros(vocabulary))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Logits (..., vocabulary) of states (..., width), with embeddings (vocabulary, embedding width)."""
        return linear(self.norm(gelu(self.dense(states))), embeddings, self.bias)

    def start_from(self, folder: Path) -> bool:
        """Takes the weights of the checkpoint in a folder, and tells whether it holds any. Raises BackboneError."""
        taken = _weights_in(folder / "model.safetensors")
        for name, weight in self.state_dict().items() if taken else ():
            if taken[name].shape != weight.shape:
                raise BackboneError(
                    f"weight {name} of the masked-language-model head in {folder}",
                    got=f"shape {tuple(taken[name].shape)}",
                    expected=f"shape {tuple(weight.shape)}",
                    remedy="name another backbone in params.yaml",
                )
            weight.copy_(taken[name])
        return bool(taken)

    def start_from_states(self, embeddings: Tensor) -> None:
        """Makes the dense layer the identity, so that a text's own words get the highest logits.

        The bias lets a logit rise above 0 only where the cosine of state and embedding is above `_LEAST_COSINE`.
        Without it, nearly every entry has a weight, and words that are in no text decide the scores. If the embeddings
        are narrower than the states, the dense layer stays random.
        """
        if self.dense.in_features == self.dense.out_features:
            nn.init.eye_(self.dense.weight)
            nn.init.zeros_(self.dense.bias)
        # The norm gives each state the length of a vector of ones.
        length = math.sqrt(embeddings.shape[1])
        self.bias.data.copy_(-_LEAST_COSINE * length * embeddings.detach().norm(dim=1))


def _weights_in(file: Path) -> Mapping[str, Tensor]:
    """The head's weights, under the head's own names. Empty if the checkpoint lacks one of them."""
    if not file.is_file():
        return {}
    with safe_open(file, "pt") as checkpoint:
        held = set(checkpoint.keys())
        for naming in (_BERTS, _DISTILBERTS):
            found = {own: name for own, names in naming.items() for name in names if name in held}
            if len(found) == len(naming):
                return {own: checkpoint.get_tensor(name).float() for own, name in found.items()}
    return {}
