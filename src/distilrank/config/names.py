"""How models are called, by who taught them, from what they began, and their seed."""

# The whole backbone as a dense ranker, among the rankers of the results.
BACKBONE = "backbone"
# What stands behind a student's name: for what it begins from, and for a control on a teacher's layers and triples.
START, CONTROL = "start", "control"
# The set of triples that stands for those which imports bring.
IMPORTED = "imported"


def distilled_name(student: str, teacher: str) -> str:
    """The name of `student` when `teacher` taught it; the bare name is its control."""
    return f"{student}-{teacher}"


def control_name(student: str, teacher: str) -> str:
    """The name of `student` when it starts and learns as those of `teacher` do, but for the teacher's scores."""
    return f"{student}-{CONTROL}-{teacher}"


def seeded_name(model: str, seed: int) -> str:
    """The name of `model` when it is trained by a seed of `matrix.seeds`; the bare name is that by its own."""
    return f"{model}~{seed}"


def without_seed(model: str) -> str:
    return model.partition("~")[0]
