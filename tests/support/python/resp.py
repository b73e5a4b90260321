# SPDX-License-Identifier: BSD-3-Clause
"""A raw RESP2/RESP3 client: every reply is available as the bytes that came off the wire and as a value.

Values: Status and Failure (bytes with a type), bytes, int, float, bool, None, list, and the RESP3
aggregates Map (a list of pairs), SetReply and Push (lists) and Verbatim (bytes with a format).
One connection belongs to one thread.
"""
import socket
import ssl

CRLF = b"\r\n"
SCALARS = frozenset(b"+-:_,#(")
BULKS = frozenset(b"$=!")
AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}


class Status(bytes):
    """A simple string reply."""


class Failure(bytes):
    """An error reply without its leading '-'."""


class Verbatim(bytes):
    """A verbatim string, its three-letter format and colon included."""


class Map(list):
    """A RESP3 map as a list of (key, value)."""

    def as_dict(self):
        return dict(self)


class SetReply(list):
    """A RESP3 set in the order in which it came."""


class Push(list):
    """A RESP3 out-of-band message."""


class ProtocolViolation(Exception):
    """The peer sent bytes that are not RESP."""


class Incomplete(Exception):
    """More bytes are needed."""


def as_bytes(argument):
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, (bytearray, memoryview)):
        return bytes(argument)
    return str(argument).encode()


def encode(arguments):
    """One command as a multibulk request."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        argument = as_bytes(argument)
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


def reply_end(buffer, start):
    """The position after the reply that begins at start, or -1 when it is not complete yet.

    An attribute belongs to the reply that follows it.
    """
    position = start
    pending = 1
    length = len(buffer)
    while pending:
        if position >= length:
            return -1
        line_end = buffer.find(CRLF, position)
        if line_end < 0:
            return -1
        kind = buffer[position]
        if kind in SCALARS:
            position = line_end + 2
            pending -= 1
            continue
        try:
            count = int(buffer[position + 1:line_end])
        except ValueError as error:
            raise ProtocolViolation(bytes(buffer[position:line_end + 2])) from error
        if kind in BULKS:
            position = line_end + 2
            if count >= 0:
                position += count + 2
                if position > length:
                    return -1
            pending -= 1
        elif kind in AGGREGATES:
            position = line_end + 2
            pending += max(count, 0) * AGGREGATES[kind] - (0 if kind == ord("|") else 1)
        else:
            raise ProtocolViolation(bytes(buffer[position:line_end + 2]))
    return position


def decode(buffer, start=0):
    """(value, end) of the reply at start; raises Incomplete."""
    line_end = buffer.find(CRLF, start)
    if line_end < 0:
        raise Incomplete
    kind = chr(buffer[start])
    line = bytes(buffer[start + 1:line_end])
    position = line_end + 2
    if kind == "+":
        return Status(line), position
    if kind == "-":
        return Failure(line), position
    if kind == ":" or kind == "(":
        return int(line), position
    if kind == "_":
        return None, position
    if kind == ",":
        return float(line), position
    if kind == "#":
        return line == b"t", position
    count = int(line)
    if kind in "$=!":
        if count < 0:
            return None, position
        end = position + count
        if end + 2 > len(buffer):
            raise Incomplete
        text = bytes(buffer[position:end])
        return {"$": bytes, "=": Verbatim, "!": Failure}[kind](text), end + 2
    if kind in "*~>":
        if count < 0:
            return None, position
        items = {"*": list, "~": SetReply, ">": Push}[kind]()
        for _ in range(count):
            item, position = decode(buffer, position)
            items.append(item)
        return items, position
    if kind in "%|":
        pairs = Map()
        for _ in range(count):
            key, position = decode(buffer, position)
            value, position = decode(buffer, position)
            pairs.append((key, value))
        if kind == "|":
            return decode(buffer, position)
        return pairs, position
    raise ProtocolViolation(bytes(buffer[start:line_end]))


def split_replies(buffer):
    """(complete replies as raw bytes, the bytes left over)."""
    replies = []
    position = 0
    while position < len(buffer):
        end = reply_end(buffer, position)
        if end < 0:
            break
        replies.append(buffer[position:end])
        position = end
    return replies, buffer[position:]


class Connection:
    """A socket to a server; address is (host, port) or a path of a Unix socket."""

    def __init__(self, address, timeout=10.0, tls=None):
        if isinstance(address, (tuple, list)):
            self.socket = socket.create_connection(tuple(address), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        if isinstance(tls, ssl.SSLContext):
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, *arguments):
        self.socket.sendall(encode(arguments))

    def receive(self):
        """Read what is there into the buffer; False when the peer closed."""
        try:
            data = self.socket.recv(262144)
        except ConnectionResetError:
            return False
        if not data:
            return False
        self.buffer += data
        return True

    def read_raw(self):
        """The bytes of the next reply. Errors: EOFError when the peer closed first."""
        while True:
            end = reply_end(self.buffer, 0)
            if end >= 0:
                reply = bytes(self.buffer[:end])
                del self.buffer[:end]
                return reply
            if not self.receive():
                raise EOFError("closed by the server")

    def read(self):
        return decode(self.read_raw())[0]

    def call(self, *arguments):
        """Send one command, return its reply as a value."""
        self.send(*arguments)
        return self.read()

    def call_many(self, commands):
        """Send the commands in one pipeline, return their replies as values."""
        commands = list(commands)
        self.send_raw(b"".join(encode(command) for command in commands))
        return [self.read() for _ in commands]

    def read_until_close(self):
        """Everything the server sends until it closes."""
        while self.receive():
            pass
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def is_closed_by_server(self):
        """Blocks until the server sends something or closes."""
        return not self.receive()
