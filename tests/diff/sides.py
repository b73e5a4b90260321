# SPDX-License-Identifier: BSD-3-Clause
"""One server and one connection to it."""
import select
import socket
import time

REPLY_TIMEOUT = 3.0
CHUNK_GAP = 0.0002
CLOSED = b"<connection closed>"
TIMED_OUT = b"<no more replies>"


def is_cut_off(reply):
    return reply.endswith((CLOSED, TIMED_OUT))


class Side:
    """The connection is made by open(); when the server closes it, it is None."""

    def __init__(self, server):
        self.server = server
        self.connection = None

    def open(self):
        if self.connection is None:
            self.connection = self.server.connect(timeout=REPLY_TIMEOUT, login=False)

    def drop(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def send(self, data, chunks):
        if self.connection is None:
            return
        try:
            if not chunks:
                self.connection.send_raw(data)
                return
            begin = 0
            for end in (*chunks, len(data)):
                self.connection.send_raw(data[begin:end])
                begin = end
                time.sleep(CHUNK_GAP)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read_until(self, ending):
        """The bytes up to ending, which is cut off; or with CLOSED or TIMED_OUT as their end."""
        if self.connection is None:
            return CLOSED
        buffer = self.connection.buffer
        try:
            while not buffer.endswith(ending):
                if not self.connection.receive():
                    data = bytes(buffer) + CLOSED
                    self.drop()
                    return data
        except (socket.timeout, TimeoutError):
            data = bytes(buffer) + TIMED_OUT
            self.drop()
            return data
        data = bytes(buffer[:-len(ending)])
        buffer.clear()
        return data

    def receive_what_is_there(self):
        """Without waiting."""
        while self.connection is not None and select.select([self.connection.socket], (), (), 0)[0]:
            if not self.connection.receive():
                self.drop()

    def wait_for_bytes(self, count, seconds):
        """Until that many wait to be read, or the time is over."""
        deadline = time.monotonic() + seconds
        self.receive_what_is_there()
        while self.connection is not None and len(self.connection.buffer) < count and time.monotonic() < deadline:
            time.sleep(0.0005)
            self.receive_what_is_there()

    def ask(self, *arguments):
        """The value that a command returns. Errors: EOFError, OSError."""
        return self.connection.call(*arguments)

    def read_count(self, count):
        """The bytes of count replies and of the push messages before them."""
        if self.connection is None:
            return CLOSED
        replies = b""
        try:
            for _ in range(count):
                reply = self.connection.read_raw()
                while reply[:1] == b">":
                    replies += reply
                    reply = self.connection.read_raw()
                replies += reply
        except EOFError:
            replies += bytes(self.connection.buffer) + CLOSED
            self.drop()
        except (socket.timeout, TimeoutError):
            replies += bytes(self.connection.buffer) + TIMED_OUT
            self.drop()
        return replies
