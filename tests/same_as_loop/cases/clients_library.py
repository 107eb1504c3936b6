"""Functions that share a client of requests, httpx or urllib3; written before the rule was looked at."""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Generator
from typing import Any

import httpx
import requests
import requests.adapters
import requests.auth
import urllib3
import user_web
from case import Case, case

N = 60


@case("clients", effect=False)
def session_of_requests() -> Case:
    """Nothing but the pool changes."""
    url, session = user_web.start(), requests.Session()
    return Case(lambda item: session.get(f"{url}/page/{item}").text, range(N))


@case("clients", effect=False)
def client_of_httpx_with_headers() -> Case:
    """Headers that stand from the beginning, and some for the call."""
    url, client = user_web.start(), httpx.Client(headers={"X-Key": "k"})

    def work(item: int) -> str:
        return client.get(f"{url}/echo/{item}", headers={"X-Item": str(item)}).text

    return Case(work, range(N))


@case("clients", effect=False)
def manager_of_urllib3() -> Case:
    """A pool manager with room for eight."""
    url, pool = user_web.start(), urllib3.PoolManager(maxsize=8)
    return Case(lambda item: pool.request("GET", f"{url}/page/{item}").data.decode(), range(N))


@case("clients", effect=False)
def session_in_a_cached_property() -> Case:
    """The session is made when first used."""

    class Api:
        def __init__(self, url: str) -> None:
            self.url = url

        @functools.cached_property
        def session(self) -> requests.Session:
            return requests.Session()

        def page(self, item: int) -> str:
            return self.session.get(f"{self.url}/page/{item}").text

    api = Api(user_web.start())
    return Case(lambda item: api.page(item), range(N))


@case("clients")
def cookies_of_the_server() -> Case:
    """The results have the cookie of the item before; it comes from item 40 on only."""
    url, session = user_web.start(), requests.Session()

    def work(item: int) -> str:
        if item >= 40:
            session.get(f"{url}/cookie/{item}")
        return session.get(f"{url}/echo/{item}").text

    return Case(work, range(N), left=lambda: dict(session.cookies))


@case("clients")
def cookies_of_the_first_answer() -> Case:
    """The first item logs in; httpx keeps the cookie, which later items send."""
    url, client = user_web.start(), httpx.Client()

    def work(item: int) -> str:
        if "seen" not in client.cookies:
            client.get(f"{url}/cookie/{item}")
        return client.get(f"{url}/echo/{item}").text

    return Case(work, range(N), left=lambda: dict(client.cookies))


@case("clients")
def header_of_the_session_by_item() -> Case:
    """The item sets a header of the session before it asks."""
    url, session = user_web.start(), requests.Session()

    def work(item: int) -> str:
        session.headers["X-Item"] = str(item)
        return session.get(f"{url}/echo/{item}").text.replace(requests.__version__, "")

    return Case(work, range(N), left=lambda: session.headers["X-Item"])


@case("clients")
def header_set_and_set_back() -> Case:
    """The item sets a header of the client and sets it back after the call."""
    url, client = user_web.start(), httpx.Client(headers={"X-Item": "none"})

    def work(item: int) -> str:
        before = client.headers["X-Item"]
        client.headers["X-Item"] = str(item)
        try:
            return client.get(f"{url}/echo/{item}").text
        finally:
            client.headers["X-Item"] = before

    return Case(work, range(N), left=lambda: client.headers["X-Item"])


@case("clients")
def hook_of_requests_that_appends() -> Case:
    """A hook for responses keeps their bodies in a list."""
    url, session = user_web.start(), requests.Session()
    seen: list[str] = []

    def keep(response: requests.Response, *rest: Any, **more: Any) -> None:
        seen.append(response.text)

    session.hooks["response"].append(keep)
    return Case(lambda item: session.get(f"{url}/page/{item}").text, range(N), left=lambda: seen)


@case("clients")
def hook_of_a_call_that_appends() -> Case:
    """A hook given with the call: a method of a list."""
    url, session = user_web.start(), requests.Session()
    seen: list[Any] = []

    def work(item: int) -> str:
        hooks = {"response": lambda response, **more: seen.append(response.text)}
        return session.get(f"{url}/page/{item}", hooks=hooks).text

    return Case(work, range(N), left=lambda: seen)


@case("clients")
def event_hooks_of_httpx() -> Case:
    """Event hooks keep the paths asked for."""
    url = user_web.start()
    seen: list[str] = []
    hooks: dict[str, list[Any]] = {"request": [lambda request: seen.append(request.url.path)]}
    client = httpx.Client(event_hooks=hooks)
    return Case(lambda item: client.get(f"{url}/page/{item}").text, range(N), left=lambda: seen)


class _CountingAdapter(requests.adapters.HTTPAdapter):
    sent = 0

    def send(self, *rest: Any, **more: Any) -> requests.Response:
        self.sent += 1
        number = self.sent
        response = super().send(*rest, **more)
        response.headers["X-Number"] = str(number)
        return response


@case("clients")
def adapter_that_counts() -> Case:
    """An adapter numbers what it sends."""
    url, session, adapter = user_web.start(), requests.Session(), _CountingAdapter()
    session.mount("http://", adapter)

    def work(item: int) -> str:
        response = session.get(f"{url}/page/{item}")
        return f"{response.text} {response.headers['X-Number']}"

    return Case(work, range(N), left=lambda: adapter.sent)


@case("clients")
def transport_of_httpx_that_keeps_the_last() -> Case:
    """A transport has the path before as an attribute, and sends it as a header."""

    class Transport(httpx.HTTPTransport):
        before = "none"

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.headers["X-Before"] = self.before
            self.before = request.url.path
            return super().handle_request(request)

    url, client = user_web.start(), httpx.Client(transport=Transport())
    return Case(lambda item: client.get(f"{url}/echo/{item}").text, range(N))


class _Nonce(requests.auth.AuthBase):
    def __init__(self) -> None:
        self.nonce = 0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self.nonce += 1
        request.headers["X-Nonce"] = str(self.nonce)
        return request


@case("clients")
def auth_of_requests_with_a_nonce() -> Case:
    """An auth object numbers the requests."""
    url, session = user_web.start(), requests.Session()
    session.auth = _Nonce()
    return Case(lambda item: session.get(f"{url}/echo/{item}").text, range(N))


class _Bearer(httpx.Auth):
    requires_response_body = True

    def __init__(self) -> None:
        self.token, self.uses = "first", 0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.uses += 1
        if self.uses == 35:
            answer = yield httpx.Request("GET", request.url.copy_with(path="/token/0"))
            self.token = answer.text
        request.headers["Authorization"] = self.token
        yield request


@case("clients")
def auth_of_httpx_that_renews() -> Case:
    """An auth object gets another token at its 35th use."""
    url, auth = user_web.start(), _Bearer()
    client = httpx.Client(auth=auth)
    return Case(
        lambda item: client.get(f"{url}/echo/{item}").text, range(N), left=lambda: auth.token
    )


@case("clients")
def retries_of_urllib3_that_count() -> Case:
    """A Retry of the user's own counts in a list of its class."""
    tries: list[str] = []

    class Counting(urllib3.Retry):
        def increment(self, method: Any = None, url: Any = None, *rest: Any, **more: Any) -> Any:
            tries.append(str(url))
            return super().increment(method, url, *rest, **more)

    url = user_web.start()
    pool = urllib3.PoolManager(
        maxsize=8, retries=Counting(1, status_forcelist=[500], raise_on_status=False)
    )
    data = [item * 7 for item in range(30)] + list(range(N))
    return Case(
        lambda item: pool.request("GET", f"{url}/fail/{item}").status, data, left=lambda: tries
    )


@case("clients")
def session_replaced_when_it_fails() -> Case:
    """After a failure there is a new session; the results have its number."""
    url = user_web.start()
    state: dict[str, Any] = {"session": requests.Session(), "number": 0}

    def work(item: int) -> tuple[str, int]:
        response = state["session"].get(f"{url}/fail/{item}")
        if response.status_code == 500:
            state["session"] = requests.Session()
            state["number"] += 1
        return response.text, state["number"]

    return Case(work, [item * 7 for item in range(30)] + list(range(N)))


@case("clients")
def session_closed_in_some_items() -> Case:
    """An item of 15 closes the session, which opens again by itself; nothing else is left."""
    url, session = user_web.start(), requests.Session()

    def work(item: int) -> str:
        text = session.get(f"{url}/page/{item}").text
        if item % 15 == 14:
            session.close()
        return text

    return Case(work, range(N))


@case("clients")
def client_of_httpx_closed_late() -> Case:
    """Item 45 closes the client; the items after it say so."""
    url, client = user_web.start(), httpx.Client()

    def work(item: int) -> str:
        if client.is_closed:
            return "closed"
        try:
            text = client.get(f"{url}/page/{item}").text
        except RuntimeError:
            return "raised"
        if item == 45:
            client.close()
        return text

    return Case(work, range(N), left=lambda: client.is_closed)


@case("clients")
def streams_read_by_the_next_item() -> Case:
    """An item reads the answer that the item before has asked for."""
    url, session = user_web.start(), requests.Session()
    waiting: list[requests.Response] = []

    def work(item: int) -> str:
        waiting.append(session.get(f"{url}/page/{item}", stream=True))
        return waiting.pop(0).text if len(waiting) > 1 else "none"

    return Case(work, range(N), left=lambda: len(waiting))


@case("clients", effect=False)
def pages_by_a_generator() -> Case:
    """A generator of another module asks for three pages."""
    url, session = user_web.start(), requests.Session()
    return Case(lambda item: list(user_web.pages(session, url, item)), range(N))


@case("clients")
def context_that_items_change() -> Case:
    """Items change the options of the client's SSLContext; the results have what the one before set."""
    url, context = user_web.start(), ssl.create_default_context()
    client = httpx.Client(verify=context)

    def work(item: int) -> tuple[str, bool]:
        before = context.check_hostname
        context.check_hostname = item % 3 == 0
        return client.get(f"{url}/page/{item}").text, before

    return Case(work, range(N), left=lambda: context.check_hostname)


@case("clients")
def headers_in_a_subclass_of_session() -> Case:
    """The session's own class numbers its requests with an id."""

    class Session(requests.Session):
        number = 0

        def request(self, *rest: Any, **more: Any) -> requests.Response:
            self.number += 1
            self.headers["X-Request"] = f"r{self.number}"
            return super().request(*rest, **more)

    url, session = user_web.start(), Session()
    return Case(lambda item: session.get(f"{url}/echo/{item}").text, range(N))


@case("clients")
def base_address_of_the_client_by_item() -> Case:
    """The item sets the base address of the client, and asks by a short path."""
    url, client = user_web.start(), httpx.Client()

    def work(item: int) -> str:
        client.base_url = httpx.URL(f"{url}/page/{item % 5}/")
        return client.get(str(item)).request.url.path

    return Case(work, range(N), left=lambda: client.base_url.path)


@case("clients")
def etags_in_the_session() -> Case:
    """The application keeps what it knows of an address on the session."""
    url, session = user_web.start(), requests.Session()
    session.known = {}  # type: ignore[attr-defined]

    def work(item: int) -> str:
        known = session.known  # type: ignore[attr-defined]
        if item in known:
            return f"{known[item]} known"
        known[item] = session.get(f"{url}/page/{item}").text
        return str(known[item])

    data = [item if item < 40 else item - 3 for item in range(N)]
    return Case(work, data, left=lambda: list(session.known))  # type: ignore[attr-defined]


@case("clients")
def connections_counted_by_the_pool() -> Case:
    """urllib3's pools count requests and connections; the loop leaves one connection."""
    url, pool = user_web.start(), urllib3.PoolManager(maxsize=8)

    def left() -> list[tuple[int, int]]:
        pools = [pool.pools[key] for key in pool.pools.keys()]  # noqa: SIM118
        return [(each.num_requests, each.num_connections) for each in pools]

    def work(item: int) -> tuple[str, int]:
        text = pool.request("GET", f"{url}/page/{item}").data.decode()
        return text, left()[0][0]

    return Case(work, range(N))


@case("clients")
def numbers_of_a_connection_of_requests() -> Case:
    """The server numbers the requests of a connection: the loop keeps to one."""
    url, session = user_web.start(), requests.Session()
    return Case(lambda item: session.get(f"{url}/numbered/{item}").text, range(N))


@case("clients", effect=False)
def session_of_a_thread() -> Case:
    """Each thread makes its own session."""
    url, local = user_web.start(), threading.local()

    def work(item: int) -> str:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        return str(local.session.get(f"{url}/page/{item}").text)

    return Case(work, range(N))
