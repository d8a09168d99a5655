"""Vectors that no PySyncObj version changes: pickles of all protocols, and bytes to be refused."""

import collections
import gzip
import pickle
import struct
import zlib

import pysyncobj.pickle
from pysyncobj.node import Node, TCPNode

from .encoding import encode


def pickles():
    shared = ['shared']
    values = {
        'none': None, 'true': True, 'false': False,
        'ints': [0, 1, -1, 127, 128, 255, 256, -128, 65535, 65536, 2 ** 31 - 1, 2 ** 31, -2 ** 31],
        'large ints': [-2 ** 31 - 1, 2 ** 53 - 1, 2 ** 53, 2 ** 63, -2 ** 63, 2 ** 64, 10 ** 40, -10 ** 40],
        'huge int': 3 ** 2000,
        'floats': [0.0, -0.0, 1.0, 1.5, -1e308, 5e-324, float('inf'), float('-inf'), float('nan'), 0.1],
        'strs': ['', 'a', 'Größe', '日本語', '\U0001f418', '\x00', 'a\nb\\', '\x85\u2028', 'x' * 255, 'x' * 256],
        'surrogates': ['\ud800', 'a\udfff', '\ud83d\ude00', '\udc00\ud800', '\ud83d\ude00\U0001f600'],
        'bytes': [b'', b'a', b'\x00\xff\x80', bytes(range(256)), b'x' * 300],
        'bytearray': bytearray(b'\x00\xff'),
        'tuples': [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))],
        'lists': [[], [[]], list(range(1200))],
        'dicts': {'a': 1, 2: 'b', (1, 'x'): [], None: {}, b'k': 1.5, False: 0},
        'sets': [{1, 2}, set(), frozenset({'a'}), frozenset()],
        'shared': [shared, shared, ('a', shared), {'k': shared}],
        'ordered dict': collections.OrderedDict([('b', 1), ('a', 2)]),
        'nodes': [Node('7'), TCPNode('127.0.0.1:2222'), TCPNode('[::1]:80'), {TCPNode('db-1:5000')}],
    }
    found = []
    for name, value in values.items():
        for protocol in range(0, 6):
            found.append({'name': name, 'protocol': protocol, 'value': encode(value),
                          'bytes': encode(pickle.dumps(value, protocol))})
        # The pure Python pickler writes some opcodes that the one in C does not.
        found.append({'name': name + ' (pure Python)', 'protocol': 2, 'value': encode(value),
                      'bytes': encode(pickle._dumps(value, 2))})
    return [case for case in found if '$bytes' in case['bytes']]


def must_fail():
    return [{'name': name, 'target': target, 'bytes': encode(data), 'fault': fault}
            for name, target, data, fault in cases()]


def cases():
    yield 'empty', 'pickle', b'', 'pickle-truncated'
    yield 'no STOP', 'pickle', b'\x80\x02K\x01', 'pickle-truncated'
    yield 'cut in a string', 'pickle', b'\x80\x02X\x05\x00\x00\x00ab', 'pickle-truncated'
    yield 'a string longer than anything', 'pickle', b'\x80\x02X\xff\xff\xff\xffab.', 'pickle-limit'
    yield 'an unknown opcode', 'pickle', b'\x80\x02\xff.', 'pickle-opcode'
    yield 'protocol 255', 'pickle', b'\x80\xffN.', 'pickle-opcode'
    yield 'STOP on an empty stack', 'pickle', b'\x80\x02.', 'pickle-malformed'
    yield 'a memo entry that was never put', 'pickle', b'\x80\x02h\x07.', 'pickle-malformed'
    yield 'TUPLE without MARK', 'pickle', b'\x80\x02K\x01t.', 'pickle-malformed'
    yield 'SETITEM on an int', 'pickle', b'\x80\x02K\x01K\x02K\x03s.', 'pickle-malformed'
    yield 'an unhashable key', 'pickle', b'\x80\x02}]K\x01s.', 'pickle-malformed'
    yield 'os.system', 'pickle', b'\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.', 'pickle-global'
    yield 'os.system, protocol 0', 'pickle', b"cos\nsystem\n(S'id'\ntR.", 'pickle-global'
    yield 'os.system through INST', 'pickle', b"(S'id'\nios\nsystem\n.", 'pickle-global'
    yield 'os.system, protocol 4', 'pickle', \
        b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.', 'pickle-global'
    yield 'builtins.eval', 'pickle', b'\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.', 'pickle-global'
    yield 'builtins.getattr', 'pickle', b'\x80\x02cbuiltins\ngetattr\n.', 'pickle-global'
    yield 'a dotted name', 'pickle', b'\x80\x04\x8c\x09pysyncobj\x8c\x0cnode.TCPNode\x93.', 'pickle-global'
    yield 'a class of another module', 'pickle', b'\x80\x02cpysyncobj.batteries\nReplDict\n)\x81.', 'pickle-global'
    yield 'an extension code', 'pickle', b'\x80\x02\x82\x01.', 'pickle-opcode'
    yield 'an empty command', 'command', b'', 'command-shape'
    yield 'a membership change of no known kind', 'command', \
        b'\x02' + pysyncobj.pickle.dumps(['swap', 'a:1']), 'command-shape'
    yield 'a membership change that is no list', 'command', b'\x02' + pysyncobj.pickle.dumps(1), 'command-shape'
    yield 'a version that is no int', 'command', b'\x03' + pysyncobj.pickle.dumps('1'), 'command-shape'
    yield 'a call of four', 'command', b'\x00' + pysyncobj.pickle.dumps((1, (), {}, 2)), 'command-shape'
    yield 'a negative frame length', 'frame', struct.pack('<i', -1) + b'x', 'frame-length'
    yield 'the largest frame length', 'frame', struct.pack('<i', 2 ** 31 - 1) + b'x', 'frame-length'
    yield 'a frame that is no zlib stream', 'stream', framed(b'garbage'), 'frame-inflate'
    yield 'a frame whose zlib stream is cut', 'stream', framed(zlib.compress(b'x' * 100)[:-5]), 'frame-inflate'
    yield 'an empty frame', 'stream', framed(b''), 'frame-inflate'
    yield 'a stream of os.system', 'stream', \
        framed(zlib.compress(b"cos\nsystem\n(S'id'\ntR.")), 'pickle-global'
    yield from file_cases()


def file_cases():
    header = b'PYSYNCOBJ'.ljust(24, b'\0') + b'0.3.17'.ljust(8, b'\0')
    record = struct.pack('<IQQ', 17, 1, 0) + b'\x01' + struct.pack('<I', 17)
    yield 'an empty journal', 'journal', b'', 'journal-header'
    yield 'a journal of zeros', 'journal', bytes(1024), 'journal-header'
    yield 'a cut header', 'journal', header[:20], 'journal-header'
    yield 'an end before the first record', 'journal', header + struct.pack('<II', 1, 39), 'journal-header'
    yield 'another name', 'journal', header.replace(b'PY', b'JS') + struct.pack('<II', 1, 40), 'journal-header'
    yield 'sizes that differ', 'journal', \
        header + struct.pack('<II', 1, 65) + record[:-1] + b'\x01', 'journal-record'
    yield 'a gap in the indexes', 'journal', \
        header + struct.pack('<II', 1, 90) + record + record.replace(struct.pack('<Q', 1), struct.pack('<Q', 3)), \
        'journal-record'
    yield 'an empty meta', 'meta', b'', 'meta-malformed'
    yield 'a meta that is a list', 'meta', pysyncobj.pickle.dumps([1]), 'meta-malformed'
    yield 'a commit index that is a str', 'meta', pysyncobj.pickle.dumps({'raftCommitIndex': '1'}), 'meta-malformed'
    yield 'a negative term', 'meta', pysyncobj.pickle.dumps({'currentTerm': -1}), 'meta-malformed'
    entry = (b'\x01', 1, 0)
    yield 'a dump that is no gzip file', 'dump', b'garbage', 'dump-malformed'
    yield 'an empty dump', 'dump', b'', 'dump-malformed'
    yield 'a dump of three', 'dump', zipped((None, entry, entry)), 'dump-malformed'
    yield 'a dump without data', 'dump', zipped(({}, (b'\x01', 2, 0), entry, set())), 'dump-malformed'
    yield 'entries that do not follow', 'dump', \
        zipped(({'_KVStoreTTL__data': {}}, (b'\x01', 5, 0), entry, set())), 'dump-malformed'
    whole = zipped(({'_KVStoreTTL__data': {}}, (b'\x01', 2, 0), entry, set()))
    yield 'a cut dump', 'dump', whole[:-9], 'dump-malformed'
    yield 'a dump with a wrong checksum', 'dump', whole[:-8] + b'\0\0\0\0' + whole[-4:], 'dump-malformed'


def framed(payload):
    return struct.pack('<i', len(payload)) + payload


def zipped(value):
    return gzip.compress(pysyncobj.pickle.dumps(value), mtime=0)
