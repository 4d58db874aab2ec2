"""tokenize: the token ids of every query and passage, cut to the configured lengths."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.derived import own_vocabularies
from distilrank.config.entries import PARAMS_FILE
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import ParamsError
from distilrank.sections.data import Backbone
from distilrank.stages.tokenized import write_token_store


def tokenize(params: Params, name: str | None = None) -> None:
    """Writes data/tokens/; for an entry whose backbone has a vocabulary of its own, data/own-tokens/<name>/.

    Raises ParamsError for another entry.
    """
    backbone = _own_backbone(params, name) if name else params.backbone
    target = layout.OWN_TOKENS / name if name else layout.TOKENS
    folder = locate_backbone(backbone)
    used = params.tokens.model_dump() | {"backbone": backbone.model_dump()}
    made_by = " ".join(["distilrank tokenize", *([name] if name else [])])
    with whole_directory(target, made_by, used, [layout.COLLECTION]) as draft:
        copy_tokenizer(folder, draft.path)
        write_token_store(draft, Collection.read(layout.COLLECTION), TextTokenizer(folder), params.tokens)


def _own_backbone(params: Params, name: str) -> Backbone:
    backbones = own_vocabularies(params)
    if name not in backbones:
        raise ParamsError(
            f"{PARAMS_FILE}: teachers and students",
            got=f"no '{name}' whose backbone is the first with a vocabulary of its own",
            expected=f"one of {[*backbones]}",
            remedy="name one of these, or none for the tokens that all others read",
        )
    return backbones[name]
