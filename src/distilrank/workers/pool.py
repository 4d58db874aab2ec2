"""Workers where the workplace says: in this process, in several, or on Ray."""

from contextlib import AbstractContextManager

from distilrank.workers.local import in_processes, in_this_process
from distilrank.workers.on_ray import on_ray
from distilrank.workers.work import Each, Part, Result, Work, Workplace


def workers(work: Work[Part, Result], place: Workplace) -> AbstractContextManager[Each[Part, Result]]:
    """Workers at a workplace. If a worker is lost, another does its parts.

    Raises WorkerError if the workers cannot be started, or keep being lost.
    """
    if place.ray_address:
        return on_ray(work, place, place.ray_address)
    count = place.count or 1
    return in_processes(work, count) if count > 1 else in_this_process(work)
