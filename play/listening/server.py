"""The pages of the listening test, over HTTP."""

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import uvicorn
from drumline.drums.kit import STEPS_PER_BAR
from drumline.play.listening.answers import Answers
from drumline.play.listening.clips import sound_of
from drumline.play.listening.ranking import ranking
from drumline.results.report_page import COLOURS
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from drumline.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost")

_HERE = Path(__file__).parent
_PAGES = Jinja2Templates(_HERE / "pages")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
_LONGEST_FORM = 1000  # bytes


def application(answers: Answers, clips: dict[str, list[int]], bars: int, sounds: Path, hosts: Sequence[str] = ("*",)):
    """The listening test as an ASGI application.

    clips: as Answers.keep gives them.  sounds: a folder for the rendered clips.
    hosts: the names under which it may be called, so that no other web site reads its pages under a name of its own.
    """

    def question(request: Request) -> Response:
        return asked(request)

    def asked(request: Request, notice: str = "", status: int = 200) -> Response:
        so_far = sum(tally.answers for tally in answers.tallies(bars * STEPS_PER_BAR))
        context = {"token": answers.ask(clips), "bars": bars, "so_far": so_far, "notice": notice}
        return _PAGES.TemplateResponse(request, "question.html", context, status, _HEADERS)

    def clip(request: Request) -> Response:
        beat = answers.beat(request.path_params["token"], request.path_params["side"])
        return FileResponse(sound_of(beat, sounds), media_type="audio/mpeg", headers=_HEADERS)

    async def answer(request: Request) -> Response:
        form = await _form(request)
        if await run_in_threadpool(answers.answer, form.get("token", ""), form.get("choice", "")):
            return RedirectResponse("/", 303)
        notice = "That pair had been answered before: the first answer stays. Here is another one."
        return await run_in_threadpool(asked, request, notice, 409)

    def results(request: Request) -> Response:
        context = results_of(answers, bars)
        return _PAGES.TemplateResponse(request, "results.html", context, headers=_HEADERS)

    def results_json(request: Request) -> Response:
        found = results_of(answers, bars)
        plain = {key: [asdict(row) for row in found[key]] for key in ("standings", "tallies")}
        return JSONResponse(found | plain, headers=_HEADERS)

    routes = [
        Route("/", question),
        Route("/clip/{token}/{side}", clip),
        Route("/answer", answer, methods=["POST"]),
        Route("/results", results),
        Route("/results.json", results_json),
        Route("/colours.css", lambda _: FileResponse(COLOURS)),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    only_these = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return Starlette(routes=routes, middleware=[only_these], exception_handlers={InputError: cast(Any, _refuse)})


def results_of(answers: Answers, bars: int) -> dict[str, Any]:
    """What the answers about beats of that length say: `bars`, `answers`, `standings` (the best first), `tallies`."""
    tallies = answers.tallies(bars * STEPS_PER_BAR)
    so_far = sum(tally.answers for tally in tallies)
    return {"bars": bars, "answers": so_far, "standings": ranking(tallies), "tallies": tallies}


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises InputError where it cannot."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise InputError(f"{host}:{port}: cannot listen there ({error}); choose another --port or --host") from error


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serves until it is interrupted."""
    with contextlib.suppress(KeyboardInterrupt):  # Uvicorn has closed all by then, and raises it once more.
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


async def _form(request: Request) -> dict[str, str]:
    """The fields of a posted form. Raises InputError where it is too long for one of ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise InputError("This is no answer to a pair: it is too long.")
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def _refuse(request: Request, error: InputError) -> Response:
    return PlainTextResponse(f"{error}\n", 400, _HEADERS)
