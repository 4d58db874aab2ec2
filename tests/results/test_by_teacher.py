"""The table of students by teacher, from the metrics alone."""

from distilrank.config.names import control_name, distilled_name
from distilrank.results.by_teacher import by_teacher


def test_a_student_is_a_row_and_a_teacher_a_column() -> None:
    values = {"bm25": 0.5, "T1": 0.7, "dot": 0.6, distilled_name("dot", "T1"): 0.65, distilled_name("tk", "T2"): 0.55}
    columns, rows = by_teacher({name: {"nDCG@10": value, "AP@1000": 0.0} for name, value in values.items()}, {})
    assert columns == ["no teacher", "T1", "T2"]
    assert rows == {
        "bm25": ["0.500", "", ""],
        "T1": ["0.700", "", ""],
        "dot": ["0.600", "0.650", ""],
        "tk": ["", "", "0.550"],
    }


def test_starts_and_the_controls_of_teachers_stand_in_the_students_row() -> None:
    values = {
        "bm25": 0.5,
        "backbone": 0.55,
        "dot-start": 0.4,
        "dot": 0.6,
        "cat-start-T1": 0.1,
        "cat-start-T2": 0.2,
        control_name("cat", "T1"): 0.61,
        control_name("cat", "T2"): 0.62,
        distilled_name("cat", "T1"): 0.7,
    }
    columns, rows = by_teacher({name: {"nDCG@10": value} for name, value in values.items()}, {})
    assert columns == ["at its start", "no teacher", "T1"]
    assert rows == {
        "bm25": ["", "0.500", ""],
        "backbone": ["", "0.550", ""],
        "dot": ["0.400", "0.600", ""],
        "cat": ["0.100 / 0.200", "0.610 / 0.620", "0.700"],
    }
