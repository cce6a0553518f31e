"""Background jobs: queued in the caller's transaction, run by the worker until they succeed.

`defer` puts a job into the queue together with the rows that it is about: both are committed, or neither is. The worker
(`ringstead.worker`) runs it at least once, so a job must stand being run twice.
"""

from ringstead.jobs.queue import (
    JobCounts,
    JobInfo,
    Status,
    defer,
    failed_jobs,
    job_counts,
    list_jobs,
    retry_jobs,
)

__all__ = [
    "JobCounts",
    "JobInfo",
    "Status",
    "defer",
    "failed_jobs",
    "job_counts",
    "list_jobs",
    "retry_jobs",
]
