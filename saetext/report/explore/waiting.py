"""A page that waits for a job: its progress as events, a way to stop it, and a way to start it again.

A window that is not looked at asks now and then instead: a browser has few connections for all its windows.
Without the script the page asks again by itself every few seconds. Not for: jobs (``jobs.py``), or the pages
that have them (rooms/).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from saetext.errors import InputError
from saetext.io.progress import OnProgress
from saetext.io.strict_json import dumps
from saetext.report.explore.asked import LONGEST_ADDRESS
from saetext.report.explore.drawing import asked_of, form_of, told
from saetext.report.explore.jobs import Job, Jobs, Live, key_of, state_of

SHORT = 0.4  # seconds that a page waits before it shows progress instead
_LOOK = 0.1  # seconds between two looks at a job
_BEAT = 1.0  # seconds after which it is sent all the same: the seconds count, and it shows if nobody listens


def jobs_of(request: Request) -> Jobs:
    """Return the jobs of the server."""
    found: Jobs = request.app.state.jobs
    return found


def job_of(
    request: Request,
    verb: str,
    asked: Mapping[str, Any],
    title: str,
    run: Callable[[OnProgress], Any],
    live: Live | None = None,
) -> Job:
    """Return the job that answers a request, after waiting a moment for it: the answer may be at hand.

    Parameters
    ----------
    request : Request
        What is answered.
    verb : str
        What kind of answer it is.
    asked : mapping
        What the answer depends on, in plain JSON types.
    title : str
        What is done, for who waits.
    run : callable
        Computes the answer; takes ``on_progress``.
    live : Live, optional
        What is shown of it meanwhile.
    """
    jobs = jobs_of(request)
    job = jobs.ask(key_of(verb, asked), title, run, live)
    jobs.wait(job, SHORT)
    return job


def shown_of(job: Job) -> dict[str, Any]:
    """Return what ``explore/waiting.html.j2`` shows of a job."""
    return {**state_of(job), "key": job.key, "ended": job.ended}


def _known(request: Request, key: str) -> Job:
    job = jobs_of(request).get(key)
    if job is None:
        raise InputError("this is not known any longer: load the page again")
    return job


async def events(request: Request) -> Response:
    """Send where a job stands each time that changes, until it has ended."""
    job = _known(request, asked_of(request).text("key", longest=80))
    return StreamingResponse(_told(job, jobs_of(request)), media_type="text/event-stream")


async def _told(job: Job, jobs: Jobs) -> AsyncIterator[str]:
    with job.watched():
        seen, sent = -1, time.monotonic()
        while not jobs.closed:
            now = time.monotonic()
            if job.changes != seen or now - sent > _BEAT:
                seen, sent = job.changes, now
                yield f"data: {dumps(state_of(job))}\n\n"
                if job.ended:
                    return
            await asyncio.sleep(_LOOK)


async def state(request: Request) -> Response:
    """Say where a job stands, once; a ``window`` that asks again and again counts as one that waits."""
    asked = asked_of(request)
    job = _known(request, asked.text("key", longest=80))
    if window := asked.text("window", longest=40):
        (job.left_by if asked.text("left") else job.asked_by)(window)
    return JSONResponse(state_of(job))


async def stop(request: Request) -> Response:
    """Stop a job, unless another window waits for it too, and go back to its page."""
    form = await form_of(request)
    job = _known(request, form.text("key", longest=80))
    if not jobs_of(request).cancel(job.key) and not job.ended:
        return told(request, 409, "another window waits for this too, so it goes on; this one can be left")
    return back(form.text("back", longest=LONGEST_ADDRESS), request)


async def again(request: Request) -> Response:
    """Forget a job that failed or was cancelled, and go back to its page, which starts it again."""
    form = await form_of(request)
    jobs_of(request).forget(form.text("key", longest=80))
    return back(form.text("back", longest=LONGEST_ADDRESS), request)


def back(address: str, request: Request) -> Response:
    """Lead back to a page of the explorer; an address that leads anywhere else leads to its first page."""
    path = address.partition("?")[0].partition("#")[0]
    known = {str(getattr(route, "path", "")).lstrip("/") for route in request.app.routes}
    return RedirectResponse(address if path in known and path else "./", 303)


ROUTES = (
    Route("/job-events", events),
    Route("/job-state", state),
    Route("/job-stop", stop, methods=["POST"]),
    Route("/job-again", again, methods=["POST"]),
)
