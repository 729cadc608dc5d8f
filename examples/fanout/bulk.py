"""Stands for Elasticsearch: takes bulks by HTTP, and prints each document on a line."""

import http.server
import json
import sys


class Bulk(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        if not self.path.endswith("/_bulk") or "/es/aws4_request" not in self.headers.get("Authorization", ""):
            return self.send_error(403)
        for action, document in zip(lines[::2], lines[1::2]):
            json.loads(action)["index"]
            print(document, flush=True)
        body = b'{"took": 1, "errors": false, "items": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Bulk).serve_forever()
