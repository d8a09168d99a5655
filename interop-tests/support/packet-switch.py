"""A network in one process: a namespace for each host, joined by a switch that loses, delays and slows packets.

    python3 packet-switch.py '{"hosts": 3}'

Each host has the kernel's own TCP in a network namespace of its own; every packet between two of them passes through
here, and each direction of each pair has rules of its own. Host 254 is the machine itself and is always reachable. All
of it goes with this process. Each line on stdin is {"id", "do", …}, each answer on stdout {"id", "result"}; needs root.
"""

import ctypes
import errno
import fcntl
import heapq
import json
import os
import select
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
MACHINE = 254
# 198.18.0.0/15 is set aside for tests of networks.
SUBNETS = ['198.18.%d' % number for number in range(256)]
# What waits before a slow link: a second at 64 KiB/s, as a router has it; more is lost, and sent again by TCP.
QUEUE_BYTES_MAX = 64 * 1024
PACKET_BYTES_MAX = 65536

libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def open_interface(name, address):
    """Makes the interface in the present namespace and gives it its address."""
    tun = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH', name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(tun)
        raise
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        def set_address(request, value):
            fcntl.ioctl(control, request, struct.pack('16sHH4s8x', name.encode(), socket.AF_INET, 0,
                                                      socket.inet_aton(value)))
        set_address(SIOCSIFADDR, address)
        set_address(SIOCSIFNETMASK, '255.255.255.0')
        bring_up(control, name)
    return tun


def bring_up(control, name):
    request = struct.pack('16sH14x', name.encode(), 0)
    flags = struct.unpack('16sH14x', fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack('16sH14x', name.encode(), flags | IFF_UP))


class Link(object):
    """One direction between two hosts."""

    def __init__(self):
        self.cut = False
        self.delay = 0.0
        self.bytes_per_sec = 0
        self.free_at = 0.0
        self.passed = 0
        self.lost = 0

    def arrival(self, now, size):
        """When a packet sent now arrives; None: never."""
        if self.cut:
            self.lost += 1
            return None
        if self.bytes_per_sec > 0:
            waiting = max(0.0, self.free_at - now) * self.bytes_per_sec
            if waiting + size > QUEUE_BYTES_MAX:
                self.lost += 1
                return None
            self.free_at = max(now, self.free_at) + size / self.bytes_per_sec
            return self.free_at + self.delay
        return now + self.delay


class Switch(object):
    def __init__(self, hosts):
        self.__ports = {}
        self.__namespaces = {}
        self.__links = {}
        self.__under_way = []
        self.__number = 0
        self.subnet = self.__open_machine()
        home = os.open('/proc/self/ns/net', os.O_RDONLY)
        for host in range(1, hosts + 1):
            checked(libc.unshare(CLONE_NEWNET))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                bring_up(control, 'lo')
            self.__ports[host] = open_interface('eth0', '%s.%d' % (self.subnet, host))
            self.__namespaces[host] = os.open('/proc/self/ns/net', os.O_RDONLY)
            checked(libc.setns(home, CLONE_NEWNET))

    def __open_machine(self):
        first = os.getpid() % len(SUBNETS)
        for subnet in SUBNETS[first:] + SUBNETS[:first]:
            try:
                name = 'quorate%s' % subnet.rsplit('.', 1)[1]
                self.__ports[MACHINE] = open_interface(name, '%s.%d' % (subnet, MACHINE))
                return subnet
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
        raise OSError('no free network in 198.18.0.0/16')

    def __link(self, source, target):
        return self.__links.setdefault((source, target), Link())

    def run(self):
        poll = select.poll()
        poll.register(0, select.POLLIN | select.POLLHUP)
        hosts = {}
        for host, tun in self.__ports.items():
            poll.register(tun, select.POLLIN)
            hosts[tun] = host
        rest = b''
        while True:
            for ready, _ in poll.poll(self.__pause()):
                if ready == 0:
                    read = os.read(0, PACKET_BYTES_MAX)
                    if not read:
                        return
                    *lines, rest = (rest + read).split(b'\n')
                    for line in lines:
                        self.__serve(json.loads(line))
                else:
                    self.__take(hosts[ready], ready)
            self.__deliver(time.monotonic())

    def __pause(self):
        if not self.__under_way:
            return None
        return max(0.0, (self.__under_way[0][0] - time.monotonic()) * 1000)

    def __take(self, source, tun):
        for _ in range(64):
            try:
                packet = os.read(tun, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            # IPv4 only, and only between the hosts of this network.
            if packet[0] >> 4 != 4 or socket.inet_ntoa(packet[16:20]).rsplit('.', 1)[0] != self.subnet:
                continue
            target = packet[19]
            if target not in self.__ports:
                continue
            arrival = self.__link(source, target).arrival(time.monotonic(), len(packet))
            if arrival is not None:
                self.__number += 1
                heapq.heappush(self.__under_way, (arrival, self.__number, source, target, packet))

    def __deliver(self, now):
        while self.__under_way and self.__under_way[0][0] <= now:
            _, _, source, target, packet = heapq.heappop(self.__under_way)
            link = self.__link(source, target)
            # What was on its way when the link was cut is lost as well.
            if link.cut:
                link.lost += 1
                continue
            try:
                os.write(self.__ports[target], packet)
                link.passed += 1
            except OSError:
                link.lost += 1

    def __serve(self, request):
        if request['do'] == 'set':
            for rule in request['links']:
                link = self.__link(rule['from'], rule['to'])
                link.cut = rule['cut']
                link.delay = rule['delayMs'] / 1000
                link.bytes_per_sec = rule['bytesPerSec']
        counts = [{'from': source, 'to': target, 'passed': link.passed, 'lost': link.lost}
                  for (source, target), link in self.__links.items()]
        say({'id': request['id'],
             'result': {'subnet': self.subnet, 'namespaces': self.__namespaces, 'links': counts}})


def say(message):
    sys.stdout.write(json.dumps(message) + '\n')
    sys.stdout.flush()


def main():
    switch = Switch(json.loads(sys.argv[1])['hosts'])
    say({'started': True})
    switch.run()


if __name__ == '__main__':
    main()
