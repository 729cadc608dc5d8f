"""A celery application whose broker is SQS; each task writes a line."""

import os

import celery

app = celery.Celery("jobs", broker=os.environ["BROKER"])
app.conf.update(broker_transport_options={"region": "us-east-1", "is_secure": False, "wait_time_seconds": 2, "polling_interval": 0.1},
                task_acks_late=True, worker_hijack_root_logger=False)


def say(line):
    with open(os.environ["SAID"], "a") as file:
        file.write(line + "\n")


@app.task
def add(a, b):
    say(f"{a} + {b} = {a + b}")


@app.task(bind=True, max_retries=3)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=1)
    say(f"stubborn after {self.request.retries} retries")
