"""teach: a teacher, trained on labels alone."""

from distilrank.params import Params
from distilrank.stages.trained_model import Track, build_model


def teach(params: Params, name: str, track: Track) -> None:
    section = params.teacher(name)
    build_model(params, name, section, section.loss, None, track)
