"""Two servers that look like one, to Helm too.

Helm checks what it sends against the server's description of itself, and a chart says which versions of Kubernetes it is for. Where an
old kube-apiserver stands before a recent server of resource definitions (see ../control-plane/README.md), both are of the old one, which
knows only the old idea of a definition. This asks the recent one for both, and passes everything else through as it is.
"""

import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Of one connection, not of the whole way.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "host"}


def released(content):
    """A server that was built by hand says of itself that it is v0.0.0, and its true version in two other fields."""
    version = json.loads(content)
    if version["gitVersion"].startswith("v0.0.0"):
        version["gitVersion"] = f"v{version['major']}.{version['minor']}.0"
    return json.dumps(version).encode()


def serve(front, definitions, keys):
    """Stands before both, with the keys of the first, and gives its address. The second is asked for its version and its description alone."""
    context = ssl.create_default_context(cafile=f"{keys}/ca.crt")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            server = definitions if self.path.startswith(("/openapi/v3", "/version")) else front
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection = http.client.HTTPSConnection(urlsplit(server).netloc, context=context)
            try:
                connection.request(self.command, self.path, body, headers)
                reply = connection.getresponse()
                content = reply.read()
            finally:
                connection.close()
            if self.path.startswith("/version"):
                content = released(content)
            self.send_response_only(reply.status, reply.reason)
            for name, value in reply.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(f"{keys}/server.crt", f"{keys}/server.key")
    server.socket = own.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://127.0.0.1:{server.server_address[1]}"
