"""A trained ranker as MLflow serves it. MLflow keeps this file beside the ranker and runs it ("models from code")."""

from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from distilrank.model import Model
from distilrank.serving.answering import Answer, Answering, NotAnswered, Request


class ServedRanker(PythonModel):
    """Answers requests as `Answering` does."""

    def load_context(self, context: PythonModelContext) -> None:
        index = context.artifacts.get("index")
        self.model = Model.load(Path(context.artifacts["ranker"]), Path(index) if index else None)
        self.answering = Answering(self.model)

    def predict(self, model_input: list[Request]) -> list[Answer]:  # type: ignore[override]  # MLflow allows it without a context
        """Answers requests. MLflow reads the signature from these types, and turns MlflowException into status 400."""
        try:
            return self.answering.answer(model_input)
        except NotAnswered as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error


set_model(ServedRanker())
