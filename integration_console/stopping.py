"""How a worker ends: its processes are told at once, and end the page they are at while Celery waits for them."""

from celery.apps import worker

from sync import leaving


class Worker(worker.Worker):
    def wait_for_soft_shutdown(self) -> bool:
        leaving.tell()  # Celery's own signal is sent when the waiting is over
        return super().wait_for_soft_shutdown()
