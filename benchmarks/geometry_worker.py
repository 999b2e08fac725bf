"""One measurement of the geometry in a fresh process: a job comes as JSON in the first argument.

A line "ready" leaves once everything that is given has been made, then one of JSON with the seconds and the answer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from benchmarks.geometry_tasks import ERRORS, TASKS, Task
from benchmarks.worker import empty_caches, seconds

_SHORT, _MORE = 0.5, 40  # seconds that short calls are repeated for, at most so many times as asked


def measure(task: Task, repetitions: int, enough: float) -> dict[str, Any]:
    """Seconds of each repetition for the whole of what is asked, and the last answer.

    Fewer repetitions where they have taken ``enough`` seconds, and more of short calls, whose median then lies within
    the slices of a core that other processes leave.
    """
    times: list[float] = []
    answer = task.call() if task.warm else None  # the first call builds what later ones share

    def call() -> None:
        nonlocal answer
        answer = task.call()

    most = repetitions * _MORE if repetitions > 1 else 1
    while len(times) < repetitions or (len(times) < most and sum(times) < _SHORT):
        if not task.warm:
            empty_caches()
        times.append(seconds(call))
        if sum(times) > enough:
            break
    answer = "nan" if answer != answer else answer  # JSON has no NaN
    return {"seconds": [taken / task.share for taken in times], "answer": answer}


def main() -> None:
    job = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the measured code prints is no answer
    try:
        task = TASKS[job["what"], job["side"]](job["dim"])
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}), file=answers, flush=True)
        return
    print("ready", file=answers, flush=True)
    try:
        result = measure(task, job["repetitions"], job["enough_s"])
    except Exception as error:
        if job["side"] == "ours":
            raise
        result = {"failed": f"{type(error).__name__}: {error}"[:200]}
    if job["side"] == "ours" and job["what"] in ERRORS:
        result["error"] = ERRORS[job["what"]](job["dim"])
    print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
