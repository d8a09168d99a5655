"""Patroni's own Raft class, configured as Patroni is (a file and PATRONI_RAFT_*), driven by JSON lines.

    python patroni_dcs.py patroni.yml

Each line on stdin is {"id", "do", …}; each answer on stdout {"id", "result"} or {"id", "error"}. The end of stdin ends
the process as SIGTERM does.
"""

import json
import logging
import os
import signal
import sys
import threading

from patroni.config import Config
from patroni.dcs import get_dcs


class Node(object):
    def __init__(self, path):
        self.__dcs = get_dcs(Config(path))

    def do_touch_member(self, data):
        return self.__dcs.touch_member(data)

    def do_acquire(self):
        return self.__dcs.attempt_to_acquire_leader()

    def do_renew(self):
        return self.__dcs.update_leader(self.__dcs.get_cluster(), None)

    def do_cluster(self):
        cluster = self.__dcs.get_cluster()
        return {'leader': cluster.leader and cluster.leader.name, 'members': sorted(m.name for m in cluster.members)}

    def do_delete_cluster(self):
        return self.__dcs.delete_cluster()


def main():
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(levelname)s %(name)s %(message)s')
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    node = Node(sys.argv[1])
    output = threading.Lock()

    def say(message):
        with output:
            sys.stdout.write(json.dumps(message) + '\n')
            sys.stdout.flush()

    def serve(request):
        number = request.pop('id')
        try:
            say({'id': number, 'result': getattr(node, 'do_' + request.pop('do'))(**request)})
        except Exception as error:
            logging.exception('request %s', number)
            say({'id': number, 'error': '%s: %s' % (type(error).__name__, error)})

    def read():
        for line in sys.stdin:
            threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
        ending.set()

    say({'started': True})
    threading.Thread(target=read, daemon=True).start()
    ending.wait()
    logging.shutdown()
    os._exit(0)


if __name__ == '__main__':
    main()
