"""The worker that started this flow run, if one did."""

import os
import signal
import threading
import time


def end_with_worker() -> None:
    """Ends this process when its worker is gone, even by `kill -9`: nobody else would cancel the run or see its end."""
    if "PREFECT__FLOW_RUN_ID" not in os.environ:
        return
    worker = os.getppid()

    def watch() -> None:
        while os.getppid() == worker:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="worker", daemon=True).start()
