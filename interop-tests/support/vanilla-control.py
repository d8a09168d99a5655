"""Patroni's unmodified KVStoreTTL as a member or an observer, driven by JSON lines.

    python vanilla-control.py '{"self_addr": …, "partner_addrs": […], "data_dir": …, "conf": {…}}'

`conf` overrides settings of SyncObjConf that Patroni does not offer. Each line on stdin is {"id", "do", …}; each answer
on stdout {"id", "result"} or {"id", "error"}; a writer also sends {"id", "acked": key} lines. The end of stdin ends the
process as SIGTERM does.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'protocol', 'vectors'))

import patroni.dcs.raft as raft  # noqa: E402
from pysyncobj.utility import TcpUtility  # noqa: E402

from capturing import encoding  # noqa: E402

encoding.PLAIN_LENGTH_MAX = 2 ** 40
logger = logging.getLogger('control')


class Control(object):
    def __init__(self, config):
        self.__output = threading.Lock()
        self.__password = config.get('password')
        self.__in_tick = queue.Queue()
        self.__stopping = False
        self.__ready = threading.Event()
        self.__writers = {}
        self.__node = None
        self.__thread = None
        self.__member = config.get('self_addr') is not None
        conf = config.pop('conf', {})
        if config.pop('mode', None) != 'utility':
            self.__start(config, conf)

    def __start(self, config, conf):
        real_conf = raft.SyncObjConf
        raft.SyncObjConf = lambda **given: real_conf(**dict(given, **conf))
        # As patroni_raft_controller makes a member, and Patroni's own Raft class an observer.
        if not self.__member:
            config['commandsWaitLeader'] = False
        self.__node = raft.KVStoreTTL(self.__ready.set, None, None, **config)
        self.__node.addOnTickCallback(self.__run_in_tick)
        self.__thread = threading.Thread(target=self.__tick, daemon=True)
        self.__thread.start()

    def __tick(self):
        while not self.__stopping:
            try:
                self.__node.doTick(self.__node.conf.autoTickPeriod)
            except Exception:
                logger.exception('doTick')

    def __run_in_tick(self):
        while not self.__in_tick.empty():
            self.__in_tick.get()()

    def __between(self, function):
        """Runs a function where the tick calls back: nothing is half applied then."""
        answer = queue.Queue()
        self.__in_tick.put(lambda: answer.put(function()))
        return answer.get(timeout=30)

    def say(self, message):
        with self.__output:
            sys.stdout.write(json.dumps(message) + '\n')
            sys.stdout.flush()

    def serve(self, request):
        number = request.pop('id')
        try:
            function = getattr(self, 'do_' + request.pop('do'))
            self.say({'id': number, 'result': function(number, **request)})
        except Exception as error:
            logger.exception('request %s', number)
            self.say({'id': number, 'error': '%s: %s' % (type(error).__name__, error)})

    def stop(self):
        self.__stopping = True
        for writer in self.__writers.values():
            writer.set()
        if self.__thread is not None:
            self.__thread.join()
            self.__node.destroy()

    def do_ping(self, _):
        return True

    def do_wait_ready(self, _, timeout):
        return self.__ready.wait(timeout)

    def do_set(self, _, key, value, ttl=None, options=None):
        return self.__node.set(key, value, ttl, **(options or {}))

    def do_delete(self, _, key, options=None):
        return self.__node.delete(key, **(options or {}))

    def do_get(self, _, key, recursive=False):
        return self.__between(lambda: self.__node.get(key, recursive))

    def do_raw(self, _, name, args, kwargs, timeout=10):
        """A replicated call without the checks and repetitions of set and delete."""
        answer = queue.Queue()
        callback = (lambda result, error: answer.put({'result': result, 'error': error}))
        getattr(self.__node, name)(*args, callback=callback, **kwargs)
        return answer.get(timeout=timeout)

    def do_submit(self, _, command):
        """Any bytes as a command; nobody waits for the answer."""
        self.__node._applyCommand(bytes.fromhex(command), None)
        return True

    def do_data(self, _, typed=False):
        def read():
            data = dict(self.__node._KVStoreTTL__data)
            return {'appliedIndex': self.__node.raftLastApplied,
                    'entries': encoding.encode(data) if typed else data}
        return self.__between(read)

    def do_status(self, _):
        status = self.__between(self.__node.getStatus)
        return {key: str(value) if key in ('self', 'leader') and value is not None else value
                for key, value in status.items()}

    def do_compact(self, _):
        self.__node.forceLogCompaction()
        return True

    def do_utility(self, _, address, command, timeout):
        return encoding.encode(TcpUtility(self.__password, timeout).executeCommand(address, command))

    def do_write(self, number, prefix, count, value_bytes, pause):
        """Sets count keys one after the other; each is tried until it is acknowledged."""
        stop = self.__writers[number] = threading.Event()
        acked = failed = 0
        started = time.monotonic()
        for n in range(count):
            key = '%s%d' % (prefix, n)
            value = ('%d ' % n).ljust(value_bytes, 'v')
            while not stop.is_set():
                if self.__node.set(key, value):
                    acked += 1
                    self.say({'id': number, 'acked': key})
                    break
                failed += 1
            stop.wait(pause)
        return {'acked': acked, 'failed': failed, 'seconds': time.monotonic() - started}

    def do_stop_writer(self, _, writer):
        self.__writers[writer].set()
        return True


def main():
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(levelname)s %(name)s %(message)s')
    control = Control(json.loads(sys.argv[1]))
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())

    def read():
        for line in sys.stdin:
            threading.Thread(target=control.serve, args=(json.loads(line),), daemon=True).start()
        ending.set()

    control.say({'started': True})
    threading.Thread(target=read, daemon=True).start()
    ending.wait()
    control.stop()
    # Without the interpreter's own end, which waits for the reader's lock on stdin.
    logging.shutdown()
    os._exit(0)


if __name__ == '__main__':
    main()
