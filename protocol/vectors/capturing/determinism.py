"""One clock and one source of randomness for all the real classes, so that a capture repeats."""

import hashlib
import random
import time as real_time


class Clock(object):
    """Moves on a little with each look, so that no loop of the real classes waits for ever."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        self.now += 0.0005
        return self.now


class TimeModule(object):
    """Stands in for the module `time` in those modules whose output holds the wall clock."""

    def __init__(self, clock):
        self.__clock = clock

    def time(self):
        return round(1700000000.0 + self.__clock.monotonic(), 6)

    def sleep(self, seconds):
        real_time.sleep(min(seconds, 0.001))

    def __getattr__(self, name):
        return getattr(real_time, name)


class Random(object):
    def __init__(self, seed):
        self.__seed = seed
        self.__count = 0

    def urandom(self, size):
        out = b''
        while len(out) < size:
            self.__count += 1
            out += hashlib.sha256(b'%s %d' % (self.__seed, self.__count)).digest()
        return out[:size]


def install(clock, seed):
    import gzip
    import os

    import cryptography.fernet
    import patroni.dcs.raft
    import pysyncobj.dns_resolver
    import pysyncobj.syncobj
    import pysyncobj.tcp_connection
    import pysyncobj.transport

    for module in (pysyncobj.dns_resolver, pysyncobj.syncobj, pysyncobj.tcp_connection, pysyncobj.transport):
        module.monotonicTime = clock.monotonic
    for module in (gzip, cryptography.fernet, patroni.dcs.raft):
        module.time = TimeModule(clock)
    random.seed(seed)
    os.urandom = Random(seed.encode()).urandom
