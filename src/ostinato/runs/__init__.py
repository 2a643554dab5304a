"""Runs of every kind of task: a directory becomes the trained task again.

`load` opens any run. A `Job` is what is known of a kind of task, made of what its family offers;
the `registry` has all of them by name, and the command line asks it.
"""

from ostinato.runs.job import Job
from ostinato.runs.load import Loaded, load
from ostinato.runs.registry import JOBS, job_of

__all__ = ["JOBS", "Job", "Loaded", "job_of", "load"]
