"""LoRA (Hu et al., arXiv 2106.09685): adapters of low rank learn, while a transformer's layers stay fixed.

What comes after the layers, such as a pooler, and the ranker's own weights learn fully. No other module knows peft.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import SAFE_WEIGHTS_NAME

from distilrank.errors import InputError, ParamsError, to_install
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.halves import before_layers, layers_of
from distilrank.sections.training import Lora

if TYPE_CHECKING:
    from peft import LoraModel


def check_adapters(ranker: Ranker, params: Lora | None) -> None:
    """Raises ParamsError if a target names no linear layer of the ranker, InputError if peft is missing."""
    if params is None:
        return
    names = _linear_layers(ranker)
    for target in params.targets or []:
        if not _named(names, target):
            raise ParamsError(
                "training.lora.targets",
                got=f"'{target}', which names no linear layer",
                expected=f"ends of names such as {', '.join(sorted({name.rpartition('.')[2] for name in names}))}",
                remedy="name some of these, or set targets: null",
            )
    if find_spec("peft") is None:
        raise InputError(
            "training.lora",
            got="no peft",
            expected="this library, which the extra lora brings",
            remedy=f"{to_install('lora')}, or set lora: null",
        )


def add_adapters(ranker: Ranker, params: Lora) -> "LoraModel":
    """Adds adapters to the layers, whose output does not change yet. Only adapters and what comes after the layers
    learn.

    Returns an object that can merge the adapters.
    """
    from peft import LoraConfig, LoraModel

    backbone = _backbone(ranker)
    for weight in before_layers(backbone):
        weight.requires_grad_(False)
    names = _linear_layers(ranker)
    if params.targets:
        names = [name for target in params.targets for name in _named(names, target)]
    config = LoraConfig(r=params.rank, lora_alpha=params.alpha, lora_dropout=params.dropout, target_modules=names)
    return LoraModel(layers_of(backbone), config, "default")


def weights_that_learn(ranker: Ranker) -> dict[str, Tensor]:
    """The ranker's state without the weights that do not learn."""
    still = {name for name, weight in ranker.named_parameters() if not weight.requires_grad}
    return {name: weight for name, weight in ranker.state_dict().items() if name not in still}


def merged(ranker: Ranker, params: Lora, checkpoint: Path) -> Ranker:
    """An ordinary ranker, ready to score. `ranker` is as its training began. It gets the checkpoint's weights, and
    the adapters are merged into its own."""
    adapters = add_adapters(ranker, params)
    ranker.load_state_dict({**ranker.state_dict(), **load_file(checkpoint / SAFE_WEIGHTS_NAME)})
    adapters.merge_and_unload()
    ranker.train(False)
    return ranker.on(chosen_device())


def _linear_layers(ranker: Ranker) -> list[str]:
    """The linear layers in the transformer's layers, by their names within these."""
    layers = layers_of(_backbone(ranker))
    return [name for name, module in layers.named_modules() if isinstance(module, nn.Linear)]


def _named(names: list[str], target: str) -> list[str]:
    """The names whose last parts are the target's."""
    return [name for name in names if f".{name}".endswith(f".{target}")]


def _backbone(ranker: Ranker) -> PreTrainedModel:
    backbone = ranker.get_submodule("backbone")
    assert isinstance(backbone, PreTrainedModel)
    return backbone
