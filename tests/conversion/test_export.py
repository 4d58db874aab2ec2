"""Exported rankers, loaded by sentence-transformers, score as they did."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from torch import Tensor
from transformers import AutoConfig, AutoModel

from distilrank.conversion.export import export_model
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import CheckpointError, InputError
from distilrank.rankers.base import Ranker
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.inputs import text_batch
from distilrank.rankers.loading import begin_ranker, load_ranker
from distilrank.rankers.prettr.params import PrettrParams
from distilrank.rankers.tk.params import TkParams
from distilrank.sections.data import Tokens
from distilrank.sections.training import Lora
from distilrank.training.lora import add_adapters, merged, weights_that_learn

LENGTHS = Tokens(query_length=10, passage_length=24)
SIZE = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "embedding_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 48,
    "initializer_range": 0.3,
}
QUERIES = ["How do I delete a fleet?", "list every bucket", "create a queue"]
PASSAGES = [
    "Deletes a fleet. Before that, all of its vehicles must be dissociated.",
    "Returns a list of all buckets that are owned by the sender of the request.",
    "Creates a new queue with the attributes that you pass.",
]
LONG = "word " * 60


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "model"


def begun(folder: Path, backbone: Path, params: Ranker, family: str = "bert") -> None:
    """Writes a random ranker as `teach` and `distil` do."""
    torch.manual_seed(0)
    tokenizer = TextTokenizer(backbone)
    config = AutoConfig.for_model(family, vocab_size=tokenizer.vocabulary_size, pad_token_id=0, **SIZE)
    ranker = begin_ranker(params, AutoModel.from_config(config), LENGTHS, tokenizer)
    for name, weight in ranker.named_parameters():
        if name.startswith(("head", "projection")):
            torch.nn.init.normal_(weight)
    ranker.save_pretrained(folder)
    copy_tokenizer(backbone, folder)


def scores(model: Path, queries: list[str], passages: list[str]) -> Tensor:
    return scores_of(load_ranker(model), model, queries, passages)


def scores_of(ranker: Ranker, model: Path, queries: list[str], passages: list[str]) -> Tensor:
    tokenizer = TextTokenizer(model)
    with torch.inference_mode():
        return ranker.score(
            text_batch(queries, LENGTHS.query_length, tokenizer),
            text_batch(passages, LENGTHS.passage_length, tokenizer),
        )


def agree(exported: Tensor | np.ndarray, own: Tensor) -> None:
    assert float(own.std()) > 0.01
    torch.testing.assert_close(torch.as_tensor(exported), own, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("dimension", [None, 12])
def test_dot_is_a_sentence_transformer(
    model: Path, backbone: Path, pooling: str, dimension: int | None, normalise: bool
) -> None:
    made = {"architecture": "dot", "layers": 2, "pooling": pooling, "dimension": dimension, "normalise": normalise}
    params = DotParams.model_validate(made)
    begun(model, backbone, params)
    export_model(model, model.parent / "exported")
    other = SentenceTransformer(str(model.parent / "exported"), device="cpu")
    queries, passages = [*QUERIES, LONG], [*PASSAGES, LONG]
    encoded = other.encode_query(queries), other.encode_document(passages)
    agree(other.similarity_pairwise(*encoded), scores(model, queries, passages))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("architecture", ["dot", "colbert"])
def test_an_export_leaves_out_the_scale_and_its_manifest_tells_it(
    model: Path, backbone: Path, architecture: str, learned: bool
) -> None:
    scaled = {"normalise": True, "scale": 20.0, "learn_scale": learned}
    kinds: dict[str, Ranker] = {
        "dot": DotParams.model_validate({"architecture": "dot", "layers": 2, "pooling": "mean", **scaled}),
        "colbert": ColbertParams.model_validate({"architecture": "colbert", "layers": 2, "dimension": 12, **scaled}),
    }
    begun(model, backbone, kinds[architecture])
    exported = model.parent / "exported"
    export_model(model, exported)
    other = (SentenceTransformer if architecture == "dot" else MultiVectorEncoder)(str(exported), device="cpu")
    encoded = other.encode_query(QUERIES), other.encode_document(PASSAGES)
    scale = json.loads((exported / "manifest.json").read_text())["params"]["scale"]
    assert scale == pytest.approx(20)
    agree(other.similarity_pairwise(*encoded) * scale, scores(model, QUERIES, PASSAGES))
    if architecture == "dot":
        np.testing.assert_allclose(np.linalg.norm(encoded[1], axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("expand_queries", [False, True])
def test_colbert_is_a_multi_vector_encoder(model: Path, backbone: Path, normalise: bool, expand_queries: bool) -> None:
    params = ColbertParams(
        architecture="colbert", layers=2, dimension=12, normalise=normalise, expand_queries=expand_queries
    )
    begun(model, backbone, params)
    export_model(model, model.parent / "exported")
    other = MultiVectorEncoder(str(model.parent / "exported"), device="cpu")
    queries, passages = [*QUERIES, LONG], [*PASSAGES, LONG]
    encoded = other.encode_query(queries), other.encode_document(passages)
    agree(other.similarity_pairwise(*encoded), scores(model, queries, passages))


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("bert", "cls"), ("bert", "pooler"), ("distilbert", "cls"), ("albert", "pooler"), ("roberta", "pooler")],
)
def test_cat_is_a_cross_encoder_with_raw_scores(model: Path, backbone: Path, family: str, pooling: str) -> None:
    begun(model, backbone, CatParams.model_validate({"architecture": "cat", "layers": 2, "pooling": pooling}), family)
    export_model(model, model.parent / "exported")
    other = CrossEncoder(str(model.parent / "exported"), device="cpu")
    own = scores(model, QUERIES, PASSAGES)
    assert float(own.abs().max()) > 1
    agree(other.predict(list(zip(QUERIES, PASSAGES, strict=True))), own)


@pytest.mark.parametrize(
    "params",
    [
        TkParams(architecture="tk"),
        PrettrParams(architecture="prettr", layers=2, join_layer=1),
        ColbertParams(architecture="colbert", layers=2, query_masks=8),
    ],
)
def test_what_no_other_library_knows_is_refused(model: Path, backbone: Path, params: Ranker) -> None:
    begun(model, backbone, params)
    with pytest.raises(
        CheckpointError,
        match=r"expected one that .* know, such as dot, cat without passage_prefix, or colbert without query_masks",
    ):
        export_model(model, model.parent / "exported")
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_an_export_loads_without_a_warning(model: Path, backbone: Path) -> None:
    """In a process of its own, because this package has transformers print no warnings."""
    begun(model, backbone, DotParams(architecture="dot", layers=2, pooling="mean"))
    exported = model.parent / "exported"
    export_model(model, exported)
    load = f"from sentence_transformers import SentenceTransformer as S; print(S({str(exported)!r}, device='cpu'))"
    loaded = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=True)
    assert "Pooling" in loaded.stdout
    assert "MISSING" not in loaded.stdout + loaded.stderr


def test_an_existing_target_is_refused(model: Path, backbone: Path) -> None:
    begun(model, backbone, CatParams(architecture="cat", layers=1))
    with pytest.raises(InputError, match="got an existing path, expected a new directory"):
        export_model(model, model)


def test_an_export_names_its_source(model: Path, backbone: Path) -> None:
    begun(model, backbone, CatParams(architecture="cat", layers=1))
    export_model(model, model.parent / "exported")
    manifest = json.loads((model.parent / "exported" / "manifest.json").read_text())
    assert list(manifest["inputs"]) == [str(model / "model.safetensors")]
    assert "modules.json" in manifest["files"]


def test_a_ranker_that_learnt_by_adapters_is_exported_as_any_other(model: Path, backbone: Path, tmp_path: Path) -> None:
    begun(model, backbone, CatParams(layers=2))
    ranker, lora = load_ranker(model), Lora(rank=4)
    add_adapters(ranker, lora)
    for name, weight in ranker.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    save_file(weights_that_learn(ranker), tmp_path / "model.safetensors")
    before = scores(model, QUERIES, PASSAGES)
    merged(load_ranker(model), lora, tmp_path).save_pretrained(model)
    export_model(model, tmp_path / "exported")
    other = CrossEncoder(str(tmp_path / "exported"), device="cpu")
    agree(other.predict(list(zip(QUERIES, PASSAGES, strict=True))), scores_of(ranker, model, QUERIES, PASSAGES))
    assert (scores(model, QUERIES, PASSAGES) - before).abs().max() > 0.01
