PYTHON ?= python3.11
# cpu or gpu: which Faiss is installed
FAISS ?= cpu
export UV_NO_PROGRESS = 1

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch uv
	.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -c constraints.txt -e '.[$(FAISS),dev]'
	touch $@
