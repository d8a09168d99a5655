"""Real PySyncObj members without sockets and threads, driven step by step.

Reads one JSON document from stdin: a list of scripts, each a list of steps. Each script is one member
with files of its own. Writes one line of JSON for each step: what the member sent, whose clients it
answered, and where it stands then. Time is what the script says, chance is a constant; everything
else is PySyncObj's own code.
"""

import json
import os
import random
import sys
import tempfile

from pysyncobj import SyncObj, SyncObjConf, syncobj
from pysyncobj.node import TCPNode
from pysyncobj.transport import Transport


class Time:
    now = 1000.0
    reads = 0

    @classmethod
    def read(cls):
        # A leader that has no dump for a peer that needs one says so for as long as it may send.
        cls.reads += 1
        return cls.now + (1.0 if cls.reads > 5000 else 0.0)


syncobj.monotonicTime = Time.read
random.random = lambda: 0.5

out = sys.stdout
sys.stdout = sys.stderr


class Scripted(Transport):
    def __init__(self):
        super().__init__(None, None, [])
        self.connected = set()
        self.sent = []

    def send(self, node, message):
        if node.id not in self.connected:
            return False
        said = [node.id, shown(message)]
        if said[1].get('serialized', True) is not None or said not in self.sent[-1:]:
            self.sent.append(said)
        return True

    def dropNode(self, node):
        # As TCPTransport's: the link ends, and nobody is told that it did.
        self.connected.discard(node.id)


class KVStoreTTL(SyncObj):
    """Named as Patroni's, so that its dumps hold an empty dictionary under Patroni's name."""

    def __init__(self, own, others, conf, transport):
        super().__init__(own, others, conf, transport=transport)
        self.__data = {}


def shown(message):
    kept = dict(message)
    if 'entries' in kept:
        kept['entries'] = [[bytes(c).hex(), i, t] for c, i, t in kept['entries']]
    if kept.get('serialized') is not None:
        # Python's dump is not ours, byte for byte; where it begins and ends is.
        kept['serialized'] = [bool(flag) for flag in kept['serialized'][1:]]
    for name in ('data', 'command'):
        if name in kept:
            kept[name] = bytes(kept[name]).hex()
    return kept


def built(message):
    made = dict(message)
    if 'entries' in made:
        made['entries'] = [(bytes.fromhex(c), i, t) for c, i, t in made['entries']]
    if made.get('serialized') is not None:
        data, first, last = made['serialized']
        made['serialized'] = (bytes.fromhex(data), first, last)
    for name in ('data', 'command'):
        if name in made:
            made[name] = bytes.fromhex(made[name])
    return made


class Member:
    def __init__(self, folder, own, others):
        self.folder, self.own, self.others = folder, own, others
        self.told = []
        self.dump = os.path.join(folder, 'm.dump')
        self.dump_before = None
        self.start()

    def start(self):
        self.transport = Scripted()
        path = os.path.join(self.folder, 'm.journal')
        conf = SyncObjConf(
            autoTick=False, dynamicMembershipChange=True, journalFile=path, useFork=False,
            fullDumpFile=self.dump, logCompactionMinEntries=12,
            logCompactionMinTime=10**9)
        self.obj = KVStoreTTL(self.own, self.others, conf, self.transport)

    def take(self, step):
        before = self.dump_now()
        self.do(step)
        after = self.dump_now()
        if step['do'] != 'restart' and after != before:
            self.dump_before = before[1]

    def dump_now(self):
        """Which file it is, and what is in it."""
        try:
            with open(self.dump, 'rb') as file:
                return os.fstat(file.fileno()).st_ino, file.read()
        except FileNotFoundError:
            return None, None

    def lose_dump(self):
        if self.dump_before is not None:
            with open(self.dump, 'wb') as file:
                file.write(self.dump_before)
        elif os.path.exists(self.dump):
            os.remove(self.dump)
        self.dump_before = None

    def do(self, step):
        what = step['do']
        Time.reads = 0
        if what == 'tick':
            Time.now += step['ms'] / 1000.0
            self.obj._onTick(0)
        elif what == 'message':
            try:
                self.transport._onMessageReceived(TCPNode(step['from']), built(step['message']))
            except Exception as error:
                # A large entry's pieces that make no pickle raise here, in the member's own thread.
                print('raised: %r' % error)
        elif what == 'connect':
            self.transport.connected.add(step['peer'])
            self.transport._onNodeConnected(TCPNode(step['peer']))
        elif what == 'disconnect':
            self.transport.connected.discard(step['peer'])
            self.transport._onNodeDisconnected(TCPNode(step['peer']))
        elif what == 'submit':
            number = step['number']
            self.obj._applyCommand(
                bytes.fromhex(step['command']), lambda _, error: self.told.append([number, error]))
        elif what == 'restart':
            # As after SIGKILL the files are as the system's cache has them, but perhaps for one.
            if step['losesDump']:
                self.lose_dump()
            self.start()

    def answer(self):
        obj = self.obj
        sent, self.transport.sent = self.transport.sent, []
        told, self.told = self.told, []
        leader = getattr(obj, '_SyncObj__raftLeader')
        return {
            'sent': sent,
            'told': told,
            'role': ('follower', 'candidate', 'leader')[getattr(obj, '_SyncObj__raftState')],
            'leader': None if leader is None else leader.id,
            'term': obj.raftCurrentTerm,
            'vote': getattr(obj, '_SyncObj__votedForNodeId'),
            'commit': obj.raftCommitIndex,
            'applied': obj.raftLastApplied,
            'others': sorted(node.id for node in obj.otherNodes),
            'log': [[i, t] for _, i, t in getattr(obj, '_SyncObj__raftLog')[:]],
        }


for script in json.load(sys.stdin):
    with tempfile.TemporaryDirectory(prefix='quorate-model-') as folder:
        member = Member(folder, 'a:1', ['b:1', 'c:1'])
        for step in script:
            member.take(step)
            out.write(json.dumps(member.answer()) + '\n')
