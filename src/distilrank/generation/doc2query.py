"""Queries for passages, sampled from a sequence-to-sequence model (docTTTTTquery, Nogueira and Lin 2019)."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from distilrank.artifacts.files import sha256_of
from distilrank.data.hub import folder_of
from distilrank.errors import BackboneError
from distilrank.rankers.device import chosen_device
from distilrank.sections.pseudo import Generated

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_WEIGHTS = "model.safetensors"


def digest_of_model(section: Generated) -> str:
    """A digest of the files that the model is read from. Raises BackboneError."""
    folder = _folder_of(section)
    files = sorted({file for pattern in _FILES for file in folder.glob(pattern)})
    return sha256("".join(f"{file.name} {sha256_of(file)}\n" for file in files).encode()).hexdigest()


class QueryWriter:
    """A Hugging Face model that writes queries for a passage. Raises BackboneError."""

    def __init__(self, section: Generated) -> None:
        folder = _folder_of(section)
        _refuse_other_weights(folder, section)
        self._section, self._device = section, chosen_device()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        self._model = model.to(self._device).eval()

    @torch.inference_mode()
    def write(self, passages: list[str], seed: int) -> list[list[str]]:
        """At most `per_passage` queries of each passage, without empty and repeated ones."""
        section, made = self._section, []
        torch.manual_seed(seed)
        for start in range(0, len(passages), section.batch_size):
            some = [section.prefix + passage for passage in passages[start : start + section.batch_size]]
            read = self._tokenizer(
                some, padding=True, truncation=True, max_length=section.passage_length, return_tensors="pt"
            ).to(self._device)
            written = self._model.generate(
                input_ids=read["input_ids"],
                attention_mask=read["attention_mask"],
                do_sample=True,
                top_k=section.top_k,
                num_return_sequences=section.per_passage,
                max_new_tokens=section.query_length,
            )
            texts = [" ".join(text.split()) for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]
            for place in range(0, len(texts), section.per_passage):
                made.append(list(dict.fromkeys(filter(None, texts[place : place + section.per_passage]))))
        return made


def _folder_of(section: Generated) -> Path:
    return folder_of(section.checkpoint, _FILES, "pseudo_queries.checkpoint")


def _refuse_other_weights(folder: Path, section: Generated) -> None:
    file = folder / _WEIGHTS
    if not file.is_file():
        raise BackboneError(
            f"pseudo_queries.checkpoint {section.checkpoint}",
            got=f"no {_WEIGHTS}",
            expected="safe weights in one file",
            remedy="save the model by save_pretrained(..., max_shard_size='100GB')",
        )
    if section.sha256 and (found := sha256_of(file)) != section.sha256:
        raise BackboneError(
            file, got=f"sha256 {found}", expected=section.sha256, remedy="get the model again, or correct sha256"
        )
