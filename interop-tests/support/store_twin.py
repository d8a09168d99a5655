"""Patroni's real KVStoreTTL, applying commands without a network.

Reads one JSON document from stdin: a list of sequences, each a list of operations. Each sequence
starts with an empty store. Writes one line of JSON for each operation: the command's bytes, what
applying it through SyncObj's own __doApplyCommand gave, and the whole state after it, typed.

The class is not modified. Its time and its way to submit commands (_applyCommand) are replaced in
the instance, so that its __expire_keys can be asked at any time and answers here.
"""

import collections
import copy
import json
import pickle
import struct
import sys

from patroni.dcs import raft
from pysyncobj.node import TCPNode


class Clock:
    now = 0.0

    def time(self):
        return self.now


clock = Clock()
raft.time = clock


def build(node):
    """The value that a typed description stands for."""
    if node is None or isinstance(node, (bool, str)):
        return node
    (kind, content), = node.items()
    if kind == 'i':
        return int(content)
    if kind == 'f':
        return struct.unpack('>d', bytes.fromhex(content))[0]
    if kind == 'b':
        return bytes.fromhex(content)
    if kind == 'u':
        return ''.join(map(chr, content))
    if kind == 'd':
        return {build(key): build(value) for key, value in content}
    if kind == 'o':
        return collections.OrderedDict((build(key), build(value)) for key, value in content)
    if kind == 'n':
        return TCPNode(content)
    maker = {'l': list, 't': tuple, 's': set, 'z': frozenset}[kind]
    return maker(build(item) for item in content)


def describe(value):
    """The typed description of a value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if value.isascii() else {'u': [ord(char) for char in value]}
    if isinstance(value, int):
        return {'i': str(value)}
    if isinstance(value, float):
        return {'f': struct.pack('>d', value).hex()}
    if isinstance(value, (bytes, bytearray)):
        return {'b': bytes(value).hex()}
    if isinstance(value, TCPNode):
        return {'n': value.id}
    if isinstance(value, dict):
        kind = 'o' if isinstance(value, collections.OrderedDict) else 'd'
        return {kind: [[describe(key), describe(item)] for key, item in value.items()]}
    for kind, made in (('l', list), ('t', tuple), ('s', set), ('z', frozenset)):
        if isinstance(value, made):
            return {kind: [describe(item) for item in value]}
    raise TypeError(type(value))


def as_stored(value):
    """A value's own dict is a dict to Quorate: nothing compares the whole of it."""
    return dict(value) if isinstance(value, collections.OrderedDict) else value


def is_utf16(key):
    """Whether the key is a str that a JavaScript string can hold."""
    if not isinstance(key, str):
        return False
    return key == key.encode('utf-16', 'surrogatepass').decode('utf-16', 'surrogatepass')


class Twin:
    def __init__(self):
        self.changed = []
        self.submitted = []
        self.store = raft.KVStoreTTL(None, lambda key, value: self.changed.append(key),
                                     self.changed.append)
        self.store._applyCommand = lambda command, callback, kind=None: \
            self.submitted.append(pickle.loads(command))

    @property
    def data(self):
        return self.store._KVStoreTTL__data

    def stored(self, key):
        try:
            return self.data.get(key) or {}
        except TypeError:
            return {}

    def command(self, operation):
        if 'raw' in operation:
            return bytes.fromhex(operation['raw'])
        if 'expireStored' in operation:
            # The leader's own call: the key with its stored value, perhaps with a field changed.
            key = build(operation['expireStored'])
            value = dict(self.stored(key))
            value.update(build(operation['but']))
            call = (1, (key, value))
        elif 'setStored' in operation:
            # Conditions that hold, as far as the store has the key.
            key = build(operation['setStored'])
            old = self.stored(key)
            named = {name: old.get(field) for name, field in operation['conditions']}
            call = (2, (key, build(operation['value'])), named)
        else:
            call = build(operation['call'])
        return bytes([operation.get('type', 0)]) + pickle.dumps(call, operation['protocol'])

    def apply(self, operation):
        command = self.command(operation)
        before = copy.deepcopy(self.data)
        self.changed.clear()
        self.store._SyncObj__raftLastApplied = operation['index'] - 1
        # A negative code version, applied before, makes every later submission raise KeyError.
        self.store._SyncObj__onSetCodeVersion(0)
        answer = {'command': command.hex()}
        try:
            answer['result'] = describe(as_stored(self.store._SyncObj__doApplyCommand(command)))
            answer['changed'] = [describe(key) for key in self.changed if is_utf16(key)]
        except Exception as error:
            answer['raised'] = repr(error)
            answer['partial'] = list(before) != list(self.data)
            self.store._KVStoreTTL__data = before
        answer['state'] = describe({key: as_stored(value) for key, value in self.data.items()})
        answer['due'] = self.due(operation['now'])
        return answer

    def due(self, now):
        """What the leader's tick would submit now; None where it would raise."""
        clock.now = now
        self.store._SyncObj__onSetCodeVersion(0)
        self.submitted.clear()
        self.store._KVStoreTTL__limb.clear()
        try:
            self.store._KVStoreTTL__expire_keys()
        except TypeError:
            return None
        return [describe([key, as_stored(value)]) for _, (key, value) in self.submitted]


def main():
    for sequence in json.load(sys.stdin):
        twin = Twin()
        for operation in sequence:
            sys.stdout.write(json.dumps(twin.apply(operation)) + '\n')
        twin.store.destroy()


main()
