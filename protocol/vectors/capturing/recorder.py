"""Records each frame that the real TcpConnection class puts on the wire."""

import threading

import pysyncobj.tcp_connection as tcp_connection

from .encoding import encode

WRITE_BUFFER = '_TcpConnection__writeBuffer'
TRY_SEND = '_TcpConnection__trySendBuffer'
SOCKET = '_TcpConnection__socket'
UTILITY_COMMANDS = ('status', 'add', 'remove', 'set_version', 'transfer', 'members')


class Recorder(object):
    def __init__(self):
        self.__lock = threading.Lock()
        self.reset()

    def reset(self):
        self.frames = []
        self.__connections = {}

    def install(self):
        recorder = self
        original_init = tcp_connection.TcpConnection.__init__
        original_send = tcp_connection.TcpConnection.send

        def init(conn, *args, **kwargs):
            conn.captured_role = 'listener' if kwargs.get('socket') is not None else 'connector'
            original_init(conn, *args, **kwargs)

        def send(conn, message):
            before = len(getattr(conn, WRITE_BUFFER))
            sent = (conn.sendRandKey, message) if conn.sendRandKey else message
            encoded = encode(sent)

            def record_and_send():
                frame = getattr(conn, WRITE_BUFFER)[before:]
                delattr(conn, TRY_SEND)
                recorder.add(conn, frame, message, encoded)
                return getattr(conn, TRY_SEND)()

            setattr(conn, TRY_SEND, record_and_send)
            original_send(conn, message)

        tcp_connection.TcpConnection.__init__ = init
        tcp_connection.TcpConnection.send = send

    def add(self, conn, frame, message, encoded):
        sock = getattr(conn, SOCKET)
        ends = frozenset((sock.getsockname(), sock.getpeername()))
        with self.__lock:
            known = self.__connections.setdefault(ends, [len(self.__connections), 0])
            known[1] += 1
            record = {'connection': known[0], 'position': known[1] - 1, 'from': conn.captured_role,
                      'kind': kind_of(message, conn.captured_role), 'message': encoded, 'bytes': frame}
            if conn.encryptor:
                record['timestamp'] = conn.encryptor.extract_timestamp(frame[4:])
            self.frames.append(record)

    def choose(self, per_kind, per_connection):
        """The first few of each kind, and the beginning of each connection."""
        seen = {}
        chosen = []
        for record in self.frames:
            seen[record['kind']] = seen.get(record['kind'], 0) + 1
            if seen[record['kind']] <= per_kind or record['position'] < per_connection:
                chosen.append(record)
        return chosen


def kind_of(message, role):
    if isinstance(message, bytes):
        return 'random key'
    if isinstance(message, str):
        return 'hello' if role == 'connector' else 'utility outcome'
    if isinstance(message, list):
        if role == 'connector' and message[0] in UTILITY_COMMANDS:
            return 'utility request: ' + message[0]
        return 'utility reply: members'
    if 'type' not in message:
        return 'utility reply: status'
    return ': '.join(filter(None, (message['type'], variant_of(message))))


def variant_of(message):
    if message['type'] == 'append_entries':
        if 'transmission' in message:
            return 'transmission ' + message['transmission']
        if 'serialized' in message:
            chunk = message['serialized']
            return 'no chunk' if chunk is None else 'chunk first=%s last=%s' % chunk[1:]
        if message['prevLogIdx'] is None:
            return 'no previous entry'
        return 'entries' if message['entries'] else 'heartbeat'
    if message['type'] == 'next_node_idx':
        return 'reset=%(reset)s success=%(success)s' % message
    if message['type'] == 'apply_command':
        return 'with request id' if 'request_id' in message else 'without request id'
    if message['type'] == 'apply_command_response':
        return 'error %s' % message['error'] if 'error' in message else 'appended'
    return None
