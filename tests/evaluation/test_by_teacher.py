"""The table of students by teacher, from the metrics alone."""

from distilrank.evaluation.by_teacher import by_teacher
from distilrank.params import distilled_name


def test_a_student_is_a_row_and_a_teacher_a_column() -> None:
    values = {"bm25": 0.5, "T1": 0.7, "dot": 0.6, distilled_name("dot", "T1"): 0.65, distilled_name("tk", "T2"): 0.55}
    columns, rows = by_teacher({name: {"nDCG@10": value, "MAP": 0.0} for name, value in values.items()}, {})
    assert columns == ["no teacher", "T1", "T2"]
    assert rows == {
        "bm25": ["0.500", "", ""],
        "T1": ["0.700", "", ""],
        "dot": ["0.600", "0.650", ""],
        "tk": ["", "", "0.550"],
    }
