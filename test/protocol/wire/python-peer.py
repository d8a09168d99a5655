"""The real PySyncObj transport without a network, for python-peer.test.ts.

Reads one JSON request a line and answers with one JSON line. A connection is a real TcpConnection on
a socket made of two byte strings; its handshake is TCPTransport's or TcpUtility's own.
"""
import errno
import json
import socket
import sys
import types

import pysyncobj.pickle as pickle
from pysyncobj import SyncObjConf
from pysyncobj.encryptor import getEncryptor
from pysyncobj.node import Node, TCPNode
from pysyncobj.tcp_connection import CONNECTION_STATE, TcpConnection
from pysyncobj.transport import TCPTransport
from pysyncobj.utility import TcpUtility

LISTENER, CONNECTOR = '127.0.0.1:1111', '127.0.0.1:2222'
ALL_BYTES = bytes(range(256))

# What upstream hands to Transport.send, by the place in syncobj.py that makes it.
MESSAGES = [
    {'type': 'request_vote', 'term': 5, 'last_log_index': 300, 'last_log_term': 4},
    {'type': 'response_vote', 'term': 70000},
    {'type': 'append_entries', 'term': 5, 'commit_index': 2, 'entries': [],
     'prevLogIdx': None, 'prevLogTerm': None},
    {'type': 'append_entries', 'term': 2 ** 40, 'commit_index': 2 ** 53 - 1,
     'entries': [(b'\x01', 3, 1), (b'\x00' + ALL_BYTES, 4, 2 ** 33), (b'\x00' + b'x' * 300, 5, 7)],
     'prevLogIdx': 2, 'prevLogTerm': 1},
    {'type': 'append_entries', 'transmission': 'start', 'data': ALL_BYTES * 256, 'term': 5,
     'commit_index': 2, 'prevLogIdx': 2, 'prevLogTerm': 1},
    {'type': 'append_entries', 'transmission': 'process', 'data': b'abc', 'term': 5,
     'commit_index': 2, 'prevLogIdx': 2, 'prevLogTerm': 1},
    {'type': 'append_entries', 'transmission': 'finish', 'data': b'', 'term': 5,
     'commit_index': 2, 'prevLogIdx': 2, 'prevLogTerm': 1},
    {'type': 'append_entries', 'term': 5, 'commit_index': 2, 'serialized': None},
    {'type': 'append_entries', 'term': 5, 'commit_index': 2, 'serialized': (ALL_BYTES, True, False)},
    {'type': 'append_entries', 'term': 5, 'commit_index': 2, 'serialized': (b'', False, True)},
    {'type': 'next_node_idx', 'next_node_idx': 300, 'reset': False, 'success': True},
    {'type': 'next_node_idx', 'next_node_idx': 1, 'reset': True, 'success': False},
    {'type': 'apply_command', 'command': b'\x00' + ALL_BYTES, 'request_id': 1},
    {'type': 'apply_command', 'command': b'\x00' + pickle.dumps((2, ('k', {'value': '\xe4'})))},
    {'type': 'apply_command_response', 'request_id': 1, 'log_idx': 2, 'log_term': 3},
    {'type': 'apply_command_response', 'request_id': 1, 'error': 4},
    {'type': 'timeout_now', 'term': 5},
]

STATUS = {
    'version': '0.3.17', 'revision': 'deprecated', 'self': TCPNode(LISTENER), 'state': 2,
    'leader': TCPNode(LISTENER), 'has_quorum': True, 'partner_nodes_count': 1,
    'partner_node_status_server_' + CONNECTOR: 2, 'readonly_nodes_count': 1,
    'readonly_node_status_server_0': 2, 'log_len': 7, 'last_applied': 6, 'commit_idx': 6,
    'raft_term': 3, 'next_node_idx_count': 2, 'next_node_idx_server_' + CONNECTOR: 8,
    'next_node_idx_server_0': 7, 'match_idx_count': 1, 'match_idx_server_' + CONNECTOR: 7,
    'leader_commit_idx': None, 'uptime': 12, 'self_code_version': 0, 'enabled_code_version': 0,
}
MEMBERS = [{'addr': CONNECTOR, 'leader': False, 'status': 2},
           {'addr': LISTENER, 'leader': True, 'status': 2}]
REPLIES = {'status': STATUS, 'members': MEMBERS}

COMMANDS = {
    'no-op': b'\x01',
    'add': b'\x02' + pickle.dumps(['add', CONNECTOR, CONNECTOR]),
    'rem': b'\x02' + pickle.dumps(['rem', CONNECTOR, CONNECTOR]),
    'version': b'\x03' + pickle.dumps(3),
    'set': b'\x00' + pickle.dumps((2, ('/k', {'value': 'v\u20ac', 'updated': 5.0, 'created': 4.5,
                                              'expire': 35.0}),
                                   {'prevExist': False, 'prevIndex': None})),
    'plain set': b'\x00' + pickle.dumps((2, ('/k', {'value': '', 'updated': 5.5, 'created': 5.5}))),
    'delete': b'\x00' + pickle.dumps((0, ('/k',), {'recursive': False, 'prevValue': 'v'})),
    'recursive': b'\x00' + pickle.dumps((0, ('/',), {'recursive': True})),
    'expire': b'\x00' + pickle.dumps((1, ('/k', {'value': 'v', 'updated': 5.0, 'created': 4.5,
                                                 'expire': 35.0, 'index': 9}))),
}


def same(a, b):
    """Equal, with equal types all the way down (and dict keys in the same order)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Node):
        return {k: v for k, v in vars(a).items() if k != '_TCPNode__ip'} == \
            {k: v for k, v in vars(b).items() if k != '_TCPNode__ip'}
    return a == b


def found(value, known):
    """The place of the equal one among the known, or the value's repr for the test to show."""
    return next((i for i, item in enumerate(known) if same(value, item)), repr(value))


class Socket(object):
    def __init__(self):
        self.incoming, self.outgoing = b'', b''

    def send(self, data):
        self.outgoing += data
        return len(data)

    def recv(self, size):
        if not self.incoming:
            raise socket.error(errno.EAGAIN, 'nothing yet')
        data, self.incoming = self.incoming[:size], self.incoming[size:]
        return data

    def fileno(self):
        return 99

    def getsockopt(self, *args):
        return 0

    def setsockopt(self, *args):
        pass

    def close(self):
        pass


class Connection(object):
    def __init__(self, role, password, command=None):
        self.events, self.socket = [], Socket()
        encryptor = getEncryptor(password) if password else None
        poller = types.SimpleNamespace(subscribe=lambda *a: None, unsubscribe=lambda *a: None)
        sync_obj = types.SimpleNamespace(conf=SyncObjConf(connectionTimeout=1e9), _poller=poller,
                                         encryptor=encryptor, addOnTickCallback=lambda f: None)
        if role == 'utility':
            self.utility = TcpUtility(password, 1e9)
            self.conn = self.utility._TcpUtility__connection
            self.conn._TcpConnection__poller = poller
            self.utility._TcpUtility__data = command
            self.plug()
            self.utility._TcpUtility__onConnected()
            return
        own, other = (LISTENER, CONNECTOR) if role == 'listener' else (CONNECTOR, LISTENER)
        own = None if role == 'observer' else TCPNode(own)
        transport = TCPTransport(sync_obj, own, [TCPNode(other)])
        transport.setOnNodeConnectedCallback(lambda node: self.event('member', node.id))
        transport.setOnReadonlyNodeConnectedCallback(lambda node: self.event('observer', node.id))
        transport.setOnMessageReceivedCallback(
            lambda node, message: self.event('message', found(message, MESSAGES)))
        for name, reply in REPLIES.items():
            transport.setOnUtilityMessageCallback(
                name, lambda args, callback, reply=reply: callback(reply, None))
        transport.setOnUtilityMessageCallback('add', lambda args, callback: callback(None, 0))
        if role == 'listener':
            self.conn = TcpConnection(poller, socket=self.socket, timeout=1e9)
            transport._onNewIncomingConnection(self.conn)
        else:
            self.conn = next(iter(transport._connections.values()))
            self.plug()
            transport._onOutgoingConnected(self.conn)

    def plug(self):
        self.conn._TcpConnection__socket = self.socket
        self.conn._TcpConnection__fileno = 99
        self.conn._TcpConnection__state = CONNECTION_STATE.CONNECTED

    def event(self, kind, value):
        self.events.append([kind, value])

    def receive(self, data):
        self.socket.incoming += data
        self.conn._TcpConnection__processConnection(99, 1)
        if hasattr(self, 'utility') and self.utility._TcpUtility__result is not None:
            result = self.utility._TcpUtility__result
            self.event('reply', result if isinstance(result, str) else found(result, [STATUS, MEMBERS]))

    def answer(self):
        events, self.events = self.events, []
        data, self.socket.outgoing = self.socket.outgoing, b''
        return {'events': events, 'hex': data.hex(),
                'open': self.conn.state != CONNECTION_STATE.DISCONNECTED}


def commands(hexes):
    """Which of our commands do not read as upstream's, and upstream's own bytes."""
    wrong = {}
    for name, command in COMMANDS.items():
        ours = bytes.fromhex(hexes[name])
        if ours[:1] != command[:1] or (ours[1:] or command[1:]) and not same(
                pickle.loads(ours[1:]), pickle.loads(command[1:])):
            wrong[name] = repr(pickle.loads(ours[1:]))
    return {'wrong': wrong, 'theirs': {name: command.hex() for name, command in COMMANDS.items()}}


connection = None
for line in sys.stdin:
    request = json.loads(line)
    op = request.pop('op')
    if op == 'commands':
        answer = commands(request['hexes'])
    else:
        if op == 'open':
            connection = Connection(**request)
        elif op == 'receive':
            connection.receive(bytes.fromhex(request['hex']))
        elif op == 'send':
            connection.conn.send(MESSAGES[request['index']])
        answer = connection.answer()
    print(json.dumps(answer), flush=True)
