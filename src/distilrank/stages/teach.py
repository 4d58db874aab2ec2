"""teach: a teacher, trained on labels alone."""

from distilrank.params import Params
from distilrank.stages.trained_model import build_model
from distilrank.training.trainer import Observer


def teach(params: Params, name: str, observe: Observer) -> None:
    section = params.teacher(name)
    build_model(params, name, section, section.loss, None, observe)
