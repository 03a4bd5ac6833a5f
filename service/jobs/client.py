"""The server's side of the job queue: adds slides and removes them.

Owns the calls of DBOS's client; the status of a slide is stored in the results database.
"""

from pathlib import Path

from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions

from service.jobs.durable import (
    APPLICATION,
    APPLICATION_VERSION,
    QUEUE,
    WORKFLOW,
    jobs_url,
    workflow_id,
)
from service.storage.results import Slides
from service.storage.tables import Slide, Status


class JobQueue:
    """The queue of slides for the worker.

    Args:
        path: of the jobs database, with migrations applied.
    """

    def __init__(self, path: Path) -> None:
        self._client = DBOSClient(
            system_database_url=jobs_url(path),
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
        )

    def put(self, slide: Slide) -> None:
        """Queues this run of the slide; idempotent."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": workflow_id(slide.id, slide.run),
            "app_version": APPLICATION_VERSION,
        }
        self._client.enqueue(options, slide.id, slide.run)

    def remove(self, slide: Slide) -> None:
        """Removes this run of the slide from the queue; no effect once it has left the queue."""
        self._client.cancel_workflow(workflow_id(slide.id, slide.run))

    def forget(self, slide: Slide) -> None:
        """Deletes the jobs of all runs of the slide."""
        self._client.delete_workflows(
            [workflow_id(slide.id, run) for run in range(1, slide.run + 1)]
        )

    def put_all_waiting(self, slides: Slides) -> None:
        """Queues slides that a server accepted but, because it crashed, did not queue."""
        for slide in slides.with_status(Status.QUEUED, Status.RUNNING):
            self.put(slide)

    def close(self) -> None:
        """Closes the database connections."""
        self._client.destroy()
