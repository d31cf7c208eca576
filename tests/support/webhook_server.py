"""An endpoint for relais-webhook that can fail in every way a server can.

    with Endpoint() as endpoint:
        endpoint.behave = lambda request: 500 if request.number == 0 else 200
"""

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import threading

SECRET = "a secret of some length"


class Request:
    def __init__(self, number, path, headers, body):
        self.number = number
        self.path = path
        self.headers = headers
        self.body = body
        self.json = json.loads(body)
        self.events = self.json if isinstance(self.json, list) else [self.json]


def signature(secret, request):
    """As docs/webhooks says it is verified."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        key = base64.b64decode(secret[6:])
    text = (f"{request.headers['webhook-id']}."
            f"{request.headers['webhook-timestamp']}.").encode()
    digest = hmac.new(key, text + request.body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class Endpoint:
    def __init__(self, tls=None, port=0):
        self.requests = []  # all that came
        self.taken = []  # those that were answered with a 2xx
        self.behave = lambda request: 200
        self.released = threading.Event()
        self.tls = tls
        self.port = port

    def __enter__(self):
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                request = Request(len(endpoint.requests), self.path,
                                  self.headers, body)
                endpoint.requests.append(request)
                self.answer(request, endpoint.behave(request))

            def answer(self, request, status):
                headers = {}
                if isinstance(status, tuple):
                    status, headers = status
                if status == "stall":
                    endpoint.released.wait(60)
                    self.close_connection = True
                    return
                if status == "cut":
                    self.close_connection = True
                    return
                if 200 <= status <= 299:
                    endpoint.taken.append(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        # A client that is killed is no error here.
        self.server.handle_error = lambda request, address: None
        self.port = self.server.server_address[1]
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True)
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self):
        scheme = "https" if self.tls else "http"
        host = "localhost" if self.tls else "127.0.0.1"
        return f"{scheme}://{host}:{self.port}/hook"

    def events(self):
        """Those that were taken, in order, as often as they came."""
        return [event for request in list(self.taken)
                for event in request.events]

    def stories(self):
        """Of each message: the kinds in order, each number once."""
        stories, seen = {}, set()
        for event in self.events():
            if event["sequence"] in seen:
                continue
            seen.add(event["sequence"])
            stories.setdefault(event["id"], []).append(event["event"])
        return stories
