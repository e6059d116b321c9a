# SPDX-License-Identifier: BSD-2-Clause
"""A client of the control socket that hides nothing: it sends bytes and reads lines."""

import json
import socket


class Rpc:
    def __init__(self, path, timeout=60):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.rest = b""
        self.next_id = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        """One line without its newline; None: the peer closed."""
        while b"\n" not in self.rest:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.rest, f"half a line: {self.rest[:100]}"
                return None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def answer(self):
        line = self.line()
        assert line is not None, "closed without an answer"
        return json.loads(line)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def request(self, method, params=None, **more):
        """The whole answer to one call."""
        ident = self.next_id
        self.next_id += 1
        request = {"jsonrpc": "2.0", "id": ident, "method": method, **more}
        if params is not None:
            request["params"] = params
        self.send(json.dumps(request))
        answer = self.answer()
        assert answer["id"] == ident and answer["jsonrpc"] == "2.0", answer
        assert ("result" in answer) != ("error" in answer), answer
        return answer

    def call(self, method, params=None):
        answer = self.request(method, params)
        assert "result" in answer, answer
        return answer["result"]

    def fails(self, method, params=None):
        """(code, message) of a call that must fail."""
        answer = self.request(method, params)
        assert "error" in answer, answer
        return answer["error"]["code"], answer["error"]["message"]
