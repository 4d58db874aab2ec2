"""Reads the section `evaluation` of params.yaml alone, for an answer that does not wait for the other sections."""

from pathlib import Path

from pydantic import ValidationError

from distilrank.sections.measuring import Evaluation

# That of config/entries.py, which takes most of a second to import.
_PARAMS_FILE = Path("params.yaml")


def read_evaluation(path: Path = _PARAMS_FILE) -> Evaluation:
    """Raises ParamsError, which tells all faults of the file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return Evaluation.model_validate(YAML(typ="safe").load(path)["evaluation"])
    except (OSError, UnicodeDecodeError, YAMLError, TypeError, KeyError, ValidationError):
        from distilrank.config.params_file import read_params

        return read_params(path).evaluation
