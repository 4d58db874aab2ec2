"""Published checkpoints become rankers that score as their authors' classes do, or are refused."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, BertModel, DistilBertConfig, DistilBertModel, PreTrainedModel

from distilrank.conversion.published import import_published
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import CheckpointError, InputError
from distilrank.rankers.inputs import text_batch
from distilrank.rankers.loading import load_ranker

QUERY_LENGTH, PASSAGE_LENGTH = 6, 14
MASK = 103
QUERIES = ["how do I delete a fleet", "list every bucket of an account", "queue"]
PASSAGES = [
    "Deletes a fleet. Before it is deleted, all its vehicles must be dissociated from it, and more words to cut off.",
    "Returns all buckets.",
    "Creates a queue with the attributes that you pass.",
]


def distilbert(layers: int = 2) -> DistilBertModel:
    torch.manual_seed(0)
    config = DistilBertConfig(
        n_layers=layers, dim=24, n_heads=2, hidden_dim=48, max_position_embeddings=32, initializer_range=0.3
    )
    return DistilBertModel(config).eval()


def bert() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        num_hidden_layers=2,
        hidden_size=24,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    return BertModel(config).eval()


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight)
    return layer


def named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{name}": weight.clone() for name, weight in module.state_dict().items()}


class Publisher:
    """Writes checkpoints as matchmaker's classes are saved: config.json names the backbone by `bert_model`."""

    def __init__(self, folder: Path, tokenizer: Path) -> None:
        self.folder = folder
        self.tokenizer_files = tokenizer

    def inside(self, backbone: PreTrainedModel, weights: dict[str, Tensor], **config: object) -> Path:
        base = self.folder / "base"
        backbone.config.save_pretrained(base)
        shutil.copy(self.tokenizer_files / "vocab.txt", base)
        return self._write({"bert_model": str(base), "model_type": "BERT", **config}, weights)

    def root(self, backbone: PreTrainedModel, weights: dict[str, Tensor], **config: object) -> Path:
        source = self._write(json.loads(backbone.config.to_json_string()) | config, weights)
        shutil.copy(self.tokenizer_files / "vocab.txt", source)
        return source

    def _write(self, config: dict[str, object], weights: dict[str, Tensor]) -> Path:
        source = self.folder / "published"
        source.mkdir()
        (source / "config.json").write_text(json.dumps(config))
        torch.save(weights, source / "pytorch_model.bin")
        return source


@pytest.fixture
def publisher(tmp_path: Path, backbone: Path) -> Publisher:
    return Publisher(tmp_path, backbone)


@pytest.fixture
def tokenize(backbone: Path) -> Callable[..., dict[str, Tensor]]:
    tokenizer = AutoTokenizer.from_pretrained(backbone)

    def read(texts: list[str], length: int, padding: str | bool = True) -> dict[str, Tensor]:
        """As their data loaders do: cut and padded with [CLS] and [SEP] counted."""
        read = tokenizer(texts, max_length=length + 2, truncation=True, padding=padding, return_tensors="pt")
        return {"input_ids": read["input_ids"], "attention_mask": read["attention_mask"]}

    return read


def masked(queries: dict[str, Tensor], masks: int = 8) -> dict[str, Tensor]:
    """With the [MASK]s behind each query that ColBERT and PreTTR were trained with, before any padding."""
    rows = []
    for ids, mask in zip(queries["input_ids"], queries["attention_mask"], strict=True):
        real, padding = ids[mask == 1], ids[mask == 0]
        rows.append(torch.cat([real, torch.full((masks,), MASK), padding]))
    attention = torch.nn.functional.pad(queries["attention_mask"], (masks, 0), value=1)
    return {"input_ids": torch.stack(rows), "attention_mask": attention}


def imported_scores(source: Path, architecture: str) -> Tensor:
    target = source.parent / "imported"
    import_published(source, target, architecture, QUERY_LENGTH, PASSAGE_LENGTH)
    ranker, tokenizer = load_ranker(target), TextTokenizer(target)
    queries = text_batch(QUERIES, QUERY_LENGTH, tokenizer)
    with torch.inference_mode():
        return ranker.score(queries, text_batch(PASSAGES, PASSAGE_LENGTH, tokenizer))


def agree(scores: Tensor, published: Tensor) -> None:
    assert float(published.detach().std()) > 0.01
    torch.testing.assert_close(scores, published.detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dimension", [None, 10])
def test_dot(publisher: Publisher, tokenize: Callable[..., dict[str, Tensor]], dimension: int | None) -> None:
    transformer = distilbert()
    compressor = linear(24, dimension) if dimension else nn.Identity()
    weights = named("bert_model.", transformer) | named("compressor.", compressor)
    source = publisher.inside(transformer, weights, compress_dim=dimension or -1)
    queries = compressor(transformer(**tokenize(QUERIES, QUERY_LENGTH)).last_hidden_state[:, 0])
    passages = compressor(transformer(**tokenize(PASSAGES, PASSAGE_LENGTH)).last_hidden_state[:, 0])
    agree(imported_scores(source, "dot"), (queries * passages).sum(1))


def test_dot_published_as_a_plain_transformer(publisher: Publisher, tokenize: Callable[..., dict[str, Tensor]]) -> None:
    transformer = distilbert()
    positions = {"embeddings.position_ids": torch.arange(32).unsqueeze(0)}
    source = publisher.root(transformer, named("", transformer) | positions)
    queries = transformer(**tokenize(QUERIES, QUERY_LENGTH)).last_hidden_state[:, 0]
    passages = transformer(**tokenize(PASSAGES, PASSAGE_LENGTH)).last_hidden_state[:, 0]
    agree(imported_scores(source, "dot"), (queries * passages).sum(1))


def test_colbert(publisher: Publisher, tokenize: Callable[..., dict[str, Tensor]]) -> None:
    transformer, compressor = distilbert(), linear(24, 8)
    weights = named("bert_model.", transformer) | named("compressor.", compressor)
    source = publisher.inside(transformer, weights, compression_dim=8)
    queries, passages = masked(tokenize(QUERIES, QUERY_LENGTH)), tokenize(PASSAGES, PASSAGE_LENGTH)
    match = compressor(transformer(**queries)[0]) @ compressor(transformer(**passages)[0]).transpose(1, 2)
    match = match.masked_fill(passages["attention_mask"].unsqueeze(1) == 0, -1000)
    agree(imported_scores(source, "colbert"), (match.amax(2) * queries["attention_mask"]).sum(1))


@pytest.mark.parametrize("family", ["distilbert", "bert"])
def test_cat(publisher: Publisher, backbone: Path, family: str) -> None:
    transformer: PreTrainedModel = distilbert() if family == "distilbert" else bert()
    classifier = linear(24, 1)
    weights = named("bert_model.", transformer) | named("_classification_layer.", classifier)
    source = publisher.inside(transformer, weights)
    short = [passage[:30] for passage in PASSAGES]
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    pairs = tokenizer(QUERIES, short, padding=True, return_tensors="pt")
    if family == "distilbert":
        pairs.pop("token_type_ids")
        pooled = transformer(**pairs).last_hidden_state[:, 0]
    else:
        pooled = transformer(**pairs).pooler_output
    target = source.parent / "imported"
    import_published(source, target, "cat", 10, PASSAGE_LENGTH)
    own = TextTokenizer(target)
    with torch.inference_mode():
        scores = load_ranker(target).score(text_batch(QUERIES, 10, own), text_batch(short, PASSAGE_LENGTH, own))
    agree(scores, classifier(pooled).squeeze(1))


@pytest.mark.parametrize("join", [1, 2])
def test_prettr(publisher: Publisher, tokenize: Callable[..., dict[str, Tensor]], join: int) -> None:
    """With queries padded to their full length, where the published offset of passages is ours."""
    transformer, classifier = distilbert(layers=3), linear(24, 1, bias=False)
    weights = named("", transformer) | named("_classification_layer.", classifier)
    source = publisher.root(transformer, weights, join_layer_idx=join)
    queries = masked(tokenize(QUERIES, QUERY_LENGTH, padding="max_length"))
    passages = {name: values[:, 1:] for name, values in tokenize(PASSAGES, PASSAGE_LENGTH).items()}
    offset = queries["input_ids"].shape[1]

    def embedded(ids: Tensor, start: int) -> Tensor:
        table = transformer.embeddings
        places = torch.arange(start, start + ids.shape[1])
        return table.LayerNorm(table.word_embeddings(ids) + table.position_embeddings(places))

    def through(layers: nn.ModuleList, states: Tensor, mask: Tensor) -> Tensor:
        barred = torch.zeros(mask.shape).masked_fill(mask == 0, torch.finfo(torch.float32).min)[:, None, None]
        for layer in layers:
            states = layer(states, barred.expand(-1, 1, states.shape[1], -1))
        return states

    layers = transformer.transformer.layer
    lower = torch.cat(
        [
            through(layers[:join], embedded(queries["input_ids"], 0), queries["attention_mask"]),
            through(layers[:join], embedded(passages["input_ids"], offset), passages["attention_mask"]),
        ],
        1,
    )
    mask = torch.cat([queries["attention_mask"], passages["attention_mask"]], 1)
    published = classifier(through(layers[join:], lower, mask)[:, 0]).squeeze(1)
    target = source.parent / "imported"
    import_published(source, target, "prettr", QUERY_LENGTH, PASSAGE_LENGTH)
    ranker, own = load_ranker(target), TextTokenizer(target)
    # Passages stay in full precision, while its parts, unlike in training, drop nothing out.
    ranker.training = True
    with torch.inference_mode():
        scores = ranker.score(text_batch(QUERIES, QUERY_LENGTH, own), text_batch(PASSAGES, PASSAGE_LENGTH, own))
    agree(scores, published)


def test_weights_in_safetensors_and_a_ready_tokenizer_are_read_as_well(publisher: Publisher, backbone: Path) -> None:
    transformer = distilbert()
    source = publisher.root(transformer, named("", transformer))
    before = imported_scores(source, "dot")
    shutil.rmtree(source.parent / "imported")
    (source / "pytorch_model.bin").unlink()
    save_file(named("", transformer), source / "model.safetensors")
    (source / "vocab.txt").unlink()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(backbone / name, source)
    torch.testing.assert_close(imported_scores(source, "dot"), before, atol=0, rtol=0)


def test_what_is_written_is_a_ranker_and_names_its_source(publisher: Publisher) -> None:
    transformer = distilbert()
    source = publisher.root(transformer, named("", transformer))
    imported_scores(source, "dot")
    target = source.parent / "imported"
    files = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "manifest.json"}
    assert {file.name for file in target.iterdir()} == files
    assert list(json.loads((target / "manifest.json").read_text())["inputs"]) == [str(source / "pytorch_model.bin")]


def refused(source: Path, architecture: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        import_published(source, source.parent / "imported", architecture, QUERY_LENGTH, PASSAGE_LENGTH)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in source.parent.iterdir() if path.name != "base") == [source.name]


def test_weights_that_do_not_fit_are_named(publisher: Publisher) -> None:
    transformer, compressor = distilbert(), linear(20, 8)
    weights = named("bert_model.", transformer) | named("compressor.", compressor)
    del weights["bert_model.transformer.layer.1.ffn.lin1.bias"]
    weights["salience.weight"] = torch.ones(3)
    source = publisher.inside(transformer, weights)
    refused(source, "colbert", "1 unknown: salience.weight; 1 missing: bert_model.transformer.layer.1.ffn.lin1.bias; ")
    refused(source, "colbert", "compressor.weight (8, 20) instead of (8, 24)")


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("colbert", "2 missing: compressor.bias, compressor.weight"),
        ("cat", "2 missing: _classification_layer.bias, _classification_layer.weight"),
        ("tk", "expected one of ['cat', 'prettr', 'colbert', 'dot']"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(publisher: Publisher, architecture: str, message: str) -> None:
    transformer = distilbert()
    refused(publisher.root(transformer, named("", transformer)), architecture, message)


def test_a_join_beyond_the_layers_is_refused(publisher: Publisher) -> None:
    transformer = distilbert()
    weights = named("", transformer) | named("_classification_layer.", linear(24, 1, bias=False))
    refused(publisher.root(transformer, weights), "prettr", "got join_layer_idx 3, expected a number from 1 to 1")


class Intruder:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch intruded",)


def test_a_pickle_that_holds_more_than_tensors_is_refused_and_not_run(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer = distilbert()
    source = publisher.root(transformer, named("", transformer))
    monkeypatch.chdir(source)
    torch.save(named("", transformer) | {"more": Intruder()}, source / "pytorch_model.bin")
    refused(source, "dot", "pytorch_model.bin: got a file that does not load")
    assert not (source / "intruded").exists()


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ("config.json", "got no config.json"),
        ("pytorch_model.bin", "got no model.safetensors or pytorch_model.bin"),
        ("vocab.txt", "got no tokenizer"),
    ],
)
def test_a_directory_that_is_not_whole_is_refused(publisher: Publisher, absent: str, message: str) -> None:
    transformer = distilbert()
    source = publisher.root(transformer, named("", transformer))
    (source / absent).unlink()
    refused(source, "dot", message)


def test_a_backbone_that_cannot_be_found_is_refused(publisher: Publisher) -> None:
    transformer = distilbert()
    source = publisher.inside(transformer, named("bert_model.", transformer))
    shutil.rmtree(source.parent / "base")
    refused(source, "dot", "set bert_model to a folder with the backbone's config.json and tokenizer")


def test_an_existing_target_stays_as_it_is(publisher: Publisher, tmp_path: Path) -> None:
    transformer = distilbert()
    source = publisher.root(transformer, named("", transformer))
    (tmp_path / "imported").mkdir()
    with pytest.raises(InputError, match="got an existing path"):
        import_published(source, tmp_path / "imported", "dot", QUERY_LENGTH, PASSAGE_LENGTH)
    assert list((tmp_path / "imported").iterdir()) == []
