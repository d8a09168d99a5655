"""Drives real members so that their journals, metas and dumps go through all their states."""

import gzip
import os
import shutil
import tempfile

import pysyncobj.pickle as pickle
from pysyncobj.journal import FileJournal, MetaStorer

from .encoding import encode, encode_bytes
from .messages import TEXTS


class FileCapture(object):
    def __init__(self, cluster, out):
        self.__cluster = cluster
        self.__out = out
        self.manifest = []
        os.makedirs(out, exist_ok=True)

    def keep(self, state, name):
        """Copies a member's three files and writes down what the real classes read in them."""
        for suffix in ('.journal', '.journal.meta', '.dump'):
            path = os.path.join(self.__cluster.folder, self.__cluster.address(name) + suffix)
            if os.path.exists(path):
                self.keep_file(path, state + suffix)

    def keep_file(self, path, file_name):
        copy = os.path.join(self.__out, file_name)
        shutil.copyfile(path, copy)
        if file_name.endswith('.meta'):
            expected = {'kind': 'meta', 'meta': encode(MetaStorer(copy).getMeta())}
        elif file_name.endswith('.dump'):
            with gzip.open(copy) as dump:
                expected = {'kind': 'dump', 'dump': encode(pickle.load(dump))}
        else:
            expected = read_journal(copy)
        self.manifest.append(dict({'file': file_name}, **expected))


def read_journal(path):
    with open(path, 'rb') as journal:
        header = journal.read(40)
    # The real class opens for writing and may enlarge: it gets a copy.
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copyfile(path, os.path.join(folder, 'journal'))
        journal = FileJournal(copy)
        entries = [journal[n] for n in range(len(journal))]
        journal._destroy()
    return {'kind': 'journal', 'version': header[24:32].rstrip(b'\0').decode(),
            'end': int.from_bytes(header[36:40], 'little'),
            'entries': [{'index': index, 'term': term, 'command': encode_bytes(bytes(command))}
                        for command, index, term in entries]}


def drive(cluster, out):
    capture = FileCapture(cluster, out)
    cluster.start('a')
    capture.keep('new', 'a')
    for name in 'bc':
        cluster.start(name)
    write_some(cluster, cluster.await_leader())
    second(cluster)
    capture.keep('writes', cluster.await_leader())
    several_terms(cluster)
    capture.keep('terms', cluster.await_leader())
    membership(cluster)
    capture.keep('membership', cluster.await_leader())
    leader = compacted(cluster)
    capture.keep('compacted', leader)
    capture.keep('snapshot-received', lost_member(cluster, leader))
    cluster.stop_all()
    capture.keep('stopped', leader)
    journal_alone(capture, cluster.folder)
    return capture.manifest


def second(cluster):
    """Long enough for the commit index to be stored."""
    cluster.settle()
    cluster.tick(600)


def write_some(cluster, name):
    node = cluster.nodes[name]
    for number, text in enumerate(TEXTS):
        cluster.call(node.set, '/service/Stadt/%d' % number, text)
    cluster.call(node.set, '/ttl', 'gone soon', ttl=1)
    cluster.call(node.set, '/leader', name, ttl=86400)
    cluster.call(node.set, '/leader', name, ttl=86400, prevValue=name)
    cluster.call(node.delete, '/service/Stadt/1')


def several_terms(cluster):
    for number in range(3):
        leader = cluster.await_leader()
        cluster.stop(leader)
        cluster.call(cluster.nodes[cluster.await_leader()].set, '/term', str(number))
        cluster.start(leader)
        cluster.await_leader()
    second(cluster)


def membership(cluster):
    leader = cluster.nodes[cluster.await_leader()]
    for change in (leader.addNodeToCluster, leader.removeNodeFromCluster):
        cluster.call(lambda: wait_for(lambda callback: change(cluster.address('d'), callback)))
    cluster.call(lambda: wait_for(lambda callback: leader.setCodeVersion(0, callback)))
    leader.addNodeToCluster(cluster.address('e'))
    second(cluster)


def wait_for(start):
    import threading
    done = threading.Event()
    start(lambda *result: done.set())
    done.wait(10)


def compacted(cluster):
    leader = cluster.await_leader()
    cluster.compact(leader)
    for number in range(3):
        cluster.call(cluster.nodes[leader].set, '/after/%d' % number, '日本')
    second(cluster)
    return leader


def lost_member(cluster, leader):
    lost = next(name for name in 'abc' if name != leader)
    cluster.stop(lost)
    cluster.remove_files(lost)
    cluster.start(lost)
    second(cluster)
    return lost


def journal_alone(capture, folder):
    """Rests of removed entries stay behind the end offset."""
    path = os.path.join(folder, 'alone.journal')
    journal = FileJournal(path)
    for index in range(1, 41):
        journal.add(bytes([index % 4]) * index, index, 2 ** 33 + index // 10)
    journal.deleteEntriesFrom(25)
    journal.deleteEntriesTo(5)
    journal._destroy()
    capture.keep_file(path, 'truncated.journal')
