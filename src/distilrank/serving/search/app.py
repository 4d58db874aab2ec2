"""The search page and its API, as a FastAPI application."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from distilrank import results
from distilrank.errors import InputError
from distilrank.searching import LONGEST_QUERY
from distilrank.serving.search.answers import MOST_SYSTEMS, Answers, SearchAnswers, Systems

# The report's colours and fonts. Only its stylesheet is read: importing its modules takes seconds.
_PAGE, _SCHEME = Path(__file__).parent, Path(results.__file__).parent / "report" / "scheme.css"
DEPTHS = (5, 10, 20, 50)


def search_app(answers: SearchAnswers, hosts: Sequence[str]) -> FastAPI:
    """The application. `hosts` are the names that a request may call this server by.

    A request by another name may come from a web page that tries to read the server.
    """
    app = FastAPI(openapi_url=None)
    page, policy = _page()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)

    @app.middleware("http")
    async def guarded(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(
            {
                "Content-Security-Policy": policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            }
        )
        return response

    @app.exception_handler(InputError)
    async def refused(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 400)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "This system failed: the server's terminal says why."}, 500)

    @app.get("/")
    def index() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/systems")
    def systems() -> Systems:
        return answers.systems()

    @app.get("/search")
    def search(
        query: Annotated[str, Query(max_length=LONGEST_QUERY)],
        systems: Annotated[str, Query(description="Names with commas between them.")],
        depth: int = 10,
    ) -> Answers:
        return answers.answers(query, [name for name in systems.split(",") if name], depth)

    return app


def _page() -> tuple[str, str]:
    """The page, and the content security policy by which it can fetch nothing from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = _SCHEME.read_text("utf-8") + (_PAGE / "page.css").read_text("utf-8")
    script = (_PAGE / "page.js.jinja").read_text("utf-8")
    page = environment.get_template("page.html.jinja").render(
        style=Markup(style), script=Markup(script), longest=LONGEST_QUERY, most=MOST_SYSTEMS, depths=DEPTHS
    )
    policy = [
        "default-src 'none'",
        f"style-src '{_digest(style)}'",
        f"script-src '{_digest(script)}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return page, "; ".join(policy)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
