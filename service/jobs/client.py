"""The server's side of the queue: hand a slide in, take it out again.

Owns the calls of DBOS's client; the status of a slide lives in the results database.
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
    """Slides that wait for a worker.

    Args:
        path: of the jobs database, which must be up to date.
    """

    def __init__(self, path: Path) -> None:
        self._client = DBOSClient(
            system_database_url=jobs_url(path),
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
        )

    def put(self, slide: Slide) -> None:
        """Queues this run of the slide; doing so again changes nothing."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": workflow_id(slide.id, slide.run),
            "app_version": APPLICATION_VERSION,
        }
        self._client.enqueue(options, slide.id, slide.run)

    def remove(self, slide: Slide) -> None:
        """Takes this run of the slide out of the queue, if it still waits there."""
        self._client.cancel_workflow(workflow_id(slide.id, slide.run))

    def forget(self, slide: Slide) -> None:
        """Removes every trace of the slide's jobs."""
        self._client.delete_workflows(
            [workflow_id(slide.id, run) for run in range(1, slide.run + 1)]
        )

    def put_all_waiting(self, slides: Slides) -> None:
        """Queues what a server that died between accepting and queueing left out."""
        for slide in slides.with_status(Status.QUEUED, Status.RUNNING):
            self.put(slide)

    def close(self) -> None:
        """Ends the connections."""
        self._client.destroy()
