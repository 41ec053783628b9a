"""A real HTTP server that speaks the chat-completions protocol, for tests; misbehaves when told to."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a behaviour returns: a text to answer with, or one of these to misbehave
Reply = str | tuple[str, Any]


class ChatServer:
    """``behave(user_message, nth_request)`` decides each reply; ``requests`` and ``keys`` are what came."""

    def __init__(self, behave: Callable[[str, int], Reply]) -> None:
        self.behave = behave
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.requests.append(body)
                    outer.keys.append(self.headers["Authorization"].removeprefix("Bearer "))
                    number = len(outer.requests)
                outer.reply(self, body, outer.behave(body["messages"][-1]["content"], number))

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, address: Any) -> None:
                """Say nothing where a client hung up on an answer that is too long."""
                if not isinstance(sys.exception(), ConnectionError):
                    super().handle_error(request, address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def reply(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], reply: Reply) -> None:
        kind, detail = reply if isinstance(reply, tuple) else ("text", reply)
        if kind == "text":
            self.send(handler, 200, completion(detail))
        elif kind == "status":
            code, headers = detail
            self.send(handler, code, {"error": {"message": f"told to say {code}"}}, headers)
        elif kind == "json":
            self.send(handler, 200, detail)
        elif kind == "bytes":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(detail)))
            handler.end_headers()
            handler.wfile.write(detail)
        elif kind == "cut":  # promises more than it sends
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "5000")
            handler.end_headers()
            handler.wfile.write(b'{"choices": [{"mess')
            handler.close_connection = True
        elif kind == "drop":
            handler.close_connection = True
            handler.connection.close()
        elif kind == "slow":
            time.sleep(detail)
            self.send(handler, 200, completion("late"))

    def send(self, handler: BaseHTTPRequestHandler, code: int, body: Any, headers: Any = ()) -> None:
        data = json.dumps(body).encode()
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)


def completion(text: str | None, reason: str = "stop") -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny",
        "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


@contextmanager
def chat_server(behave: Callable[[str, int], Reply]) -> Iterator[ChatServer]:
    server = ChatServer(behave)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
