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


syncobj.monotonicTime = lambda: Time.now
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
        self.sent.append([node.id, shown(message)])
        return True


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
        self.start()

    def start(self):
        self.transport = Scripted()
        path = os.path.join(self.folder, 'm.journal')
        conf = SyncObjConf(
            autoTick=False, dynamicMembershipChange=True, journalFile=path, useFork=False,
            fullDumpFile=os.path.join(self.folder, 'm.dump'), logCompactionMinEntries=12,
            logCompactionMinTime=10**9)
        self.obj = KVStoreTTL(self.own, self.others, conf, self.transport)

    def do(self, step):
        what = step['do']
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
            # As after SIGKILL: the files are as the system's cache has them.
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
            'log': [[i, t] for _, i, t in getattr(obj, '_SyncObj__raftLog')[:]],
        }


for script in json.load(sys.stdin):
    with tempfile.TemporaryDirectory(prefix='quorate-model-') as folder:
        member = Member(folder, 'a:1', ['b:1', 'c:1'])
        for step in script:
            member.do(step)
            out.write(json.dumps(member.answer()) + '\n')
