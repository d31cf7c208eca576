"""A token service for tests: OAuth 2 over HTTPS, that does what it is told.

    with TokenServer(certificate, key) as service:
        service.log_in("refresh-1")
        ...
        service.answer("/token", stall)

It gives out access tokens for refresh tokens (each used once, a new one comes
with the access token), for the client's secret, for signed assertions, for the
codes of devices and of browsers. What is said instead is put in front, one
answer a request: a pair of status and JSON, text or octets, or a function of
the handler, like those at the end.
"""

import base64
import hashlib
import http.server
import json
import ssl
import threading
import urllib.parse


class TokenServer:
    def __init__(self, certificate, key, life=3600, secret=None,
                 is_rotating=True):
        self.life = life
        self.secret = secret          # the client's; None: it has none
        self.is_rotating = is_rotating
        self.requests = []            # (path, form) as they came
        self.refresh_tokens = set()   # that are good
        self.access_tokens = set()
        self.codes = {}               # of browsers: code -> query
        self.is_device_confirmed = False
        self.closing = threading.Event()
        self.changed = threading.Condition()
        self._count = 0
        self._answers = {}
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"service": self}))
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True,
            do_handshake_on_connect=False)
        self.port = self.server.server_address[1]

    def __enter__(self):
        self._thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def url(self, path):
        return f"https://localhost:{self.port}{path}"

    def settings(self, ca_file, **keys):
        """Of a relay's `oauth`."""
        return {"client_id": "relais-test", "token_url": self.url("/token"),
                "ca_file": str(ca_file), **keys}

    def answer(self, path, *answers):
        with self.changed:
            self._answers.setdefault(path, []).extend(answers)

    def log_in(self, refresh_token):
        self.refresh_tokens.add(refresh_token)

    def is_good(self, token):
        return token in self.access_tokens

    def forms(self, path="/token"):
        with self.changed:
            return [form for at, form in self.requests if at == path]

    def wait_for(self, condition, patience=60):
        with self.changed:
            assert self.changed.wait_for(condition, patience), self.requests

    # --------------------------------------------------------------- service

    def note(self, path, form):
        with self.changed:
            self.requests.append((path, form))
            self.changed.notify_all()
            waiting = self._answers.get(path)
            return waiting.pop(0) if waiting else None

    def _new(self, kind):
        self._count += 1
        return f"{kind}-{self._count}-{self.port}"

    def issue(self, has_refresh_token):
        with self.changed:
            token = self._new("access")
            self.access_tokens.add(token)
            answer = {"access_token": token, "token_type": "Bearer",
                      "expires_in": self.life, "roles": ["ignored"],
                      "nested": {"also": None}}
            if has_refresh_token:
                refresh = self._new("refresh")
                self.refresh_tokens.add(refresh)
                answer["refresh_token"] = refresh
        return 200, answer

    def grant(self, form):
        kind = form.get("grant_type", "").rsplit(":", 1)[-1]
        if kind != "jwt-bearer" and (
                form.get("client_id") != "relais-test" or
                form.get("client_secret") != self.secret):
            return 401, {"error": "invalid_client",
                         "error_description": "who are you?"}
        handler = getattr(self, "_grant_" + kind.replace("-", "_"), None)
        if handler is None:
            return 400, {"error": "unsupported_grant_type"}
        return handler(form)

    def _grant_refresh_token(self, form):
        token = form.get("refresh_token")
        if token not in self.refresh_tokens:
            return 400, {"error": "invalid_grant",
                         "error_description": "Token has been revoked."}
        if self.is_rotating:
            self.refresh_tokens.discard(token)
        return self.issue(self.is_rotating)

    def _grant_client_credentials(self, _form):
        return self.issue(False)

    def _grant_jwt_bearer(self, form):
        return self.issue(False)

    def _grant_device_code(self, form):
        if form.get("device_code") != "device-1":
            return 400, {"error": "expired_token"}
        if not self.is_device_confirmed:
            return 400, {"error": "authorization_pending"}
        return self.issue(True)

    def _grant_authorization_code(self, form):
        query = self.codes.pop(form.get("code"), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(
            form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if (query is None or query["redirect_uri"] != form["redirect_uri"] or
                query["code_challenge"] != challenge):
            return 400, {"error": "invalid_grant"}
        return self.issue(True)

    def device(self, _form):
        return 200, {"device_code": "device-1", "user_code": "WDJB-MJHT",
                     "verification_uri": self.url("/activate"),
                     "expires_in": 900, "interval": 1}

    def visit(self, url):
        """What a browser does at the service: where it is sent to next."""
        assert url.startswith(self.url("/authorize?")), url
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = self._new("code")
        self.codes[code] = query
        return query["redirect_uri"] + "?" + urllib.parse.urlencode(
            {"state": query["state"], "code": code})


class _Handler(http.server.BaseHTTPRequestHandler):
    service = None

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        answer = self.service.note(self.path, form)
        if callable(answer):
            answer = answer(self)
        elif answer is None:
            answer = (self.service.device(form) if self.path == "/device"
                      else self.service.grant(form))
        if answer is not None:
            self.say(*answer)

    def say(self, status, body, **headers):
        if not isinstance(body, bytes):
            body = (body if isinstance(body, str)
                    else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


# ------------------------------------------------------------------- answers


def stall(handler):
    """Says nothing until the test is over."""
    handler.service.closing.wait(60)


def drop(handler):
    handler.connection.close()


def huge(handler):
    """Never ends, if nobody stops it."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.service.closing.is_set():
            handler.wfile.write(b'{"access_token": "' + 65536 * b"x")
    except OSError:
        pass


def error(name, status=400, **members):
    return status, {"error": name, **members}
