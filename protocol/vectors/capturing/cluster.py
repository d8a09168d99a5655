"""A cluster of Patroni's real KVStoreTTL objects over real sockets, ticked in one thread."""

import os
import socket
import threading
import time

import patroni.dcs.raft as raft
from pysyncobj.utility import TcpUtility

ROUNDS_MAX = 20000


class Cluster(object):
    def __init__(self, folder, port_base, clock, password=None, **conf):
        self.folder = folder
        self.password = password
        self.nodes = {}
        self.__clock = clock
        self.__addresses = {name: '127.0.0.1:%d' % (port_base + n) for n, name in enumerate('abcde')}
        self.__conf = conf
        for address in self.__addresses.values():
            check_free(address)

    def address(self, name):
        return self.__addresses[name]

    def start(self, name, members='abc'):
        """Starts a member; the name `observer` starts one without an address."""
        own = self.__addresses.get(name)
        partners = [self.address(other) for other in members if other != name]
        config = {'self_addr': own, 'bind_addr': own, 'partner_addrs': partners, 'password': self.password,
                  'data_dir': self.folder, 'commandsWaitLeader': False}
        real_conf, real_members = raft.SyncObjConf, raft.SyncObjUtility.getMembers
        raft.SyncObjConf = lambda **given: real_conf(**dict(given, **self.__conf))
        # The members run in this thread, so none could answer while another is made.
        raft.SyncObjUtility.getMembers = lambda utility: None
        try:
            self.nodes[name] = raft.KVStoreTTL(None, None, None, **config)
        finally:
            raft.SyncObjConf, raft.SyncObjUtility.getMembers = real_conf, real_members
        return self.nodes[name]

    def stop(self, name):
        self.nodes.pop(name).destroy()

    def stop_all(self):
        for name in list(self.nodes):
            self.stop(name)

    def tick(self, rounds=1):
        for _ in range(rounds):
            for name in sorted(self.nodes):
                self.nodes[name].doTick(0.0)
            self.__clock.now += 0.002

    def until(self, condition, what):
        for _ in range(ROUNDS_MAX):
            if condition():
                return
            self.tick()
        raise Exception('never came: ' + what)

    def leader(self):
        """The one leader that all running members agree on, once it has applied its no-op."""
        found = {node._getLeader() for node in self.nodes.values()}
        leader = found.pop() if len(found) == 1 else None
        for name, node in self.nodes.items():
            if leader is not None and node.selfNode == leader and node._isLeader() and self.settled():
                return name
        return None

    def settled(self):
        applied = {node.raftLastApplied for node in self.nodes.values()}
        commits = {node.raftCommitIndex for node in self.nodes.values()}
        return len(applied) == 1 and applied == commits

    def await_leader(self):
        self.until(self.leader, 'a leader')
        return self.leader()

    def call(self, function, *args, **kwargs):
        """Runs a blocking call of the real classes in a thread while the members tick."""
        result = []

        def run():
            try:
                result.append(function(*args, **kwargs))
            except Exception as error:
                result.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while thread.is_alive():
            self.tick()
            time.sleep(0.0002)
            if time.monotonic() > deadline:
                raise Exception('a call does not return: %r %r' % (function, args))
        return result[0]

    def settle(self):
        self.until(self.settled, 'equal applied indexes')

    def utility(self, name, command):
        return self.call(lambda: TcpUtility(self.password, 10.0).executeCommand(self.address(name), command))

    def compact(self, name):
        dump = os.path.join(self.folder, self.address(name) + '.dump')
        before = os.stat(dump).st_ino if os.path.exists(dump) else None
        length = self.nodes[name]._getRaftLogSize()
        self.nodes[name].forceLogCompaction()

        def done():
            time.sleep(0.001)
            return os.path.exists(dump) and os.stat(dump).st_ino != before \
                and self.nodes[name]._getRaftLogSize() < length

        self.until(done, 'a compacted log')

    def remove_files(self, name):
        for suffix in ('.journal', '.journal.meta', '.dump'):
            path = os.path.join(self.folder, self.address(name) + suffix)
            if os.path.exists(path):
                os.unlink(path)


def check_free(address):
    host, port = address.rsplit(':', 1)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, int(port)))
