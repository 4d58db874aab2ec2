"""The program of the clean process: it loads a model, sends it a server's requests, and times the answers.

`python -I answers_alone.py MODEL REQUESTS LATENCY` takes the model's folder, a JSON file of requests by task, and the
file evaluation/latency.py. The last line that it prints is JSON. It imports nothing else of distilrank. Neither can the
model, which brings its own code.
"""

import atexit
import gc
import json
import runpy
import sys
from functools import partial
from pathlib import Path
from typing import Any


def main(model_folder: str, requests_file: str, latency_file: str) -> None:
    modules: dict[str, Any] = sys.modules
    modules["distilrank"] = None  # an import of it fails, wherever it is installed
    # Garbage collection during the imports and at the end takes two seconds.
    gc.disable()
    atexit.register(gc.freeze)
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(model_folder)
    gc.enable()
    asked = json.loads(Path(requests_file).read_text("utf-8"))
    latency = runpy.run_path(latency_file)
    answers, milliseconds = {}, {}
    for task, requests in asked["requests"].items():
        answer = partial(_answer, model, [json.dumps({"inputs": [request]}) for request in requests])
        answers[task] = [json.loads(answer(number))["predictions"][0] for number in range(len(requests))]
        if clients := asked["clients"]:
            milliseconds[task] = latency["served"](answer, len(requests), clients)
    print(json.dumps({"answers": answers, "milliseconds": milliseconds, "machine": latency["machine"]()}))


def _answer(model: Any, bodies: list[str], number: int) -> str:
    """Answers the body of one request as MLflow's server does; runs in a thread."""
    from mlflow.pyfunc.scoring_server import invocations

    schema = model.metadata.get_input_schema()
    answer: Any = invocations(bodies[number], "application/json", model, schema)  # type: ignore[no-untyped-call]  # untyped in MLflow
    return str(answer.response)


if __name__ == "__main__":
    main(*sys.argv[1:])
