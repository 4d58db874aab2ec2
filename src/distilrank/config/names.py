"""The names of models, by their teacher, their start and their seed."""

# The name in the results of the whole backbone as a dense ranker.
BACKBONE = "backbone"
# The suffixes of a student's name for its start, and for a control that has a teacher's layers and triples.
START, CONTROL = "start", "control"
# The name that stands for the sets of triples of all imports.
IMPORTED = "imported"


def distilled_name(student: str, teacher: str) -> str:
    """The name of `student` as `teacher` taught it. The bare name is its control."""
    return f"{student}-{teacher}"


def control_name(student: str, teacher: str) -> str:
    """The name of the control of `student` that starts and learns as `teacher`'s student does, without its scores."""
    return f"{student}-{CONTROL}-{teacher}"


def seeded_name(model: str, seed: int) -> str:
    """The name of `model` as trained with a seed of `matrix.seeds`. The bare name is the one with its own seed."""
    return f"{model}~{seed}"


def without_seed(model: str) -> str:
    return model.partition("~")[0]
