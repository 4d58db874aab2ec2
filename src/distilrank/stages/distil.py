"""distil: a student that learns a teacher's margins, or, without one, the same student's control."""

from distilrank.params import Params, distilled_name
from distilrank.stages.trained_model import Track, build_model


def distil(params: Params, name: str, teacher: str | None, track: Track) -> None:
    section = params.student(name)
    if teacher is None:
        build_model(params, name, section, section.control_loss, None, track)
    else:
        params.teacher(teacher)
        build_model(params, distilled_name(name, teacher), section, section.loss, teacher, track)
