"""import-model: a model that was trained elsewhere, as a ranker of ours, and the token ids that it reads.

From then on it is scored, if it teaches, measured, timed and registered like any other.
"""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.conversion.given import save_given
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.sections.data import Tokens
from distilrank.stages.given_uses import refuse_other_words, refuse_unfit
from distilrank.stages.located import located
from distilrank.stages.tokenized import write_token_store


def import_model(params: Params, name: str) -> None:
    """Writes models/<name>/ and data/own-tokens/<name>/. Raises CheckpointError, BackboneError, ParamsError."""
    section, model = params.given_model(name), layout.MODELS / name
    used = section.model_dump(exclude={"tokens"})
    made_by = f"distilrank import-model {name}"
    with located(section) as folder, whole_directory(model, made_by, used, []) as draft:
        ranker = save_given(folder, draft.path, section.tokens, params.tokens)
        refuse_other_words(params, name, draft.path)
        refuse_unfit(params, name, ranker.params)
        tokens = Tokens(**{key: getattr(ranker.config, key) for key in Tokens.model_fields})
        used |= {"ranker": ranker.params.model_dump(), "tokens": tokens.model_dump()}
        draft.counts["parameters"] = ranker.num_parameters()
    with whole_directory(tokens_of(params, name), made_by, tokens.model_dump(), [layout.COLLECTION, model]) as draft:
        copy_tokenizer(model, draft.path)
        write_token_store(draft, Collection.read(layout.COLLECTION), TextTokenizer(model), tokens)
