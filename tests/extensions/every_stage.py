"""All stages of the project in the working directory, one after the other in this process, and an export."""

import json
from pathlib import Path

import numpy as np

from distilrank.config.derived import evaluated
from distilrank.config.params_file import read_params
from distilrank.conversion.export import export_model
from distilrank.model import Model
from distilrank.stages.audit import audit
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.distil import distil
from distilrank.stages.encode import encode
from distilrank.stages.evaluate import evaluate
from distilrank.stages.latency import latency
from distilrank.stages.metrics import metrics
from distilrank.stages.quality import quality
from distilrank.stages.report import report
from distilrank.stages.score import score
from distilrank.stages.teach import teach
from distilrank.stages.tokenize import tokenize
from distilrank.stages.triples import triples
from distilrank.tracking import stage_run

TEXTS = ["delete a fleet", "list all queues of an account"]

params = read_params()
for stage in (collect, tokenize, candidates):
    stage(params)
triples(params, "bm25")
teach(params, "T1", stage_run)
score(params, "T1", "bm25", stage_run)
distil(params, "bag", None, stage_run)
distil(params, "bag", "T1", stage_run)
for name in ("bag", "bag-T1"):
    encode(params, name)
quality(params)
for on, ranker in evaluated(params):
    evaluate(params, ranker, on)
for stage in (metrics, latency, audit, report):
    stage(params)
export_model(Path("models/bag-T1"), Path("exported"))
model = Model.load(Path("models/bag-T1"), Path("vectors/bag-T1"))
np.save("encoded.npy", model.encode_passages(TEXTS))
Path("hits.json").write_text(json.dumps([hit.model_dump() for hit in model.search("delete a fleet", 3)]))
