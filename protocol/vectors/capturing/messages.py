"""Drives real members so that each kind of message goes over the wire."""

import random

TEXTS = ['', 'plain', 'Größe', '日本語', '\U0001f418 elephant', 'nul \x00 inside', 'x' * 300]


def drive_plain(cluster):
    for name in 'abc':
        cluster.start(name)
    leader = cluster.await_leader()
    follower = next(name for name in 'abc' if name != leader)
    writes(cluster, leader, follower)
    large_entry(cluster, leader)
    observer(cluster, leader, follower)
    refusals(cluster, follower)
    snapshot(cluster)
    utilities(cluster)
    transfer(cluster)
    cluster.stop_all()


def drive_password(cluster):
    for name in 'abc':
        cluster.start(name)
    leader = cluster.await_leader()
    cluster.call(cluster.nodes[leader].set, '/service/main/leader', 'a', ttl=30)
    cluster.start('observer')
    cluster.until(lambda: cluster.nodes['observer'].isReady(), 'a ready observer')
    cluster.call(cluster.nodes['observer'].set, '/service/main/config', 'Größe')
    cluster.utility('a', ['status'])
    cluster.utility('b', ['members'])
    cluster.utility(leader, ['add', cluster.address('a')])
    cluster.tick(200)
    cluster.stop_all()


def writes(cluster, leader, follower):
    for name in (leader, follower):
        for number, text in enumerate(TEXTS):
            cluster.call(cluster.nodes[name].set, '/%s/%d' % (name, number), text)
    cluster.call(cluster.nodes[leader].set, '/ttl', 'v', ttl=3600)
    cluster.call(cluster.nodes[follower].set, '/ttl', 'w', prevValue='v')
    cluster.call(cluster.nodes[follower].delete, '/ttl', prevValue='w')
    # Without a callback the request has no id.
    cluster.nodes[follower]._set('/silent', {'value': 'v', 'created': 1.5, 'updated': 1.5})
    cluster.tick(50)


def large_entry(cluster, leader):
    # Up to 0.3.15 a journal only doubles for an entry, and fails where that is too little.
    for size in (2, 4, 8, 16, 32, 60, 60, 60, 60):
        cluster.call(cluster.nodes[leader].set, '/grow', 'g' * size * 1024)
    text = ''.join(random.choice('abcdefgh') for _ in range(3 * 1024)) * 60
    cluster.call(cluster.nodes[leader].set, '/large', text)
    cluster.settle()
    cluster.call(cluster.nodes[leader].delete, '/large')


def observer(cluster, leader, follower):
    node = cluster.start('observer')
    cluster.until(lambda: node.isReady(), 'a ready observer')
    cluster.call(node.set, '/by-observer', 'v')
    # An observer that has not heard of the change yet asks a follower.
    results = []
    node._SyncObj__raftLeader = cluster.nodes[follower].selfNode
    node._set('/misled', {'value': 'v'}, callback=lambda *result: results.append(result))
    node._checkCommandsToApply()
    cluster.until(lambda: results, 'an answer of a member that does not lead')
    cluster.stop('observer')


def refusals(cluster, follower):
    results = []
    cluster.nodes[follower].addNodeToCluster(
        cluster.address('a'), lambda *result: results.append(result))
    cluster.until(lambda: results, 'a refused change of membership')


def snapshot(cluster):
    """A member with an empty folder joins a compacted log."""
    lost = next(name for name in 'abc' if name != cluster.await_leader())
    cluster.stop(lost)
    cluster.remove_files(lost)
    leader = cluster.await_leader()
    cluster.compact(leader)
    cluster.start(lost)
    # A leader that writes its dump at this moment has no chunk to send.
    serializer = cluster.nodes[leader]._SyncObj__serializer
    cluster.until(lambda: cluster.nodes[leader].isNodeConnected(cluster.nodes[lost].selfNode), 'a link')
    get_transmission = serializer.getTransmissionData

    def busy(node):
        serializer._Serializer__pid = -3
        try:
            return get_transmission(node)
        finally:
            serializer._Serializer__pid = 0
            del serializer.getTransmissionData

    serializer.getTransmissionData = busy
    cluster.settle()
    cluster.tick(200)


def utilities(cluster):
    leader = cluster.await_leader()
    follower = next(name for name in 'abc' if name != leader)
    for name in (leader, follower):
        cluster.utility(name, ['status'])
        cluster.utility(name, ['members'])
    cluster.utility(leader, ['add', cluster.address('d')])
    cluster.settle()
    cluster.utility(follower, ['remove', cluster.address('d')])
    cluster.settle()
    cluster.utility(leader, ['remove', cluster.address(leader)])
    cluster.utility(leader, ['add', 'nonsense'])
    cluster.utility(leader, ['set_version', 0])
    cluster.utility(leader, ['set_version', 7])


def transfer(cluster):
    """Since PySyncObj 0.3.16; older ones take the list for a wrong address and disconnect."""
    leader = cluster.await_leader()
    if not hasattr(cluster.nodes[leader], 'transferLeadership'):
        return
    follower = next(name for name in 'abc' if name != leader)
    cluster.utility(follower, ['transfer', ''])
    cluster.utility(leader, ['transfer', cluster.address(follower)])
    cluster.until(lambda: cluster.leader() == follower, 'the transfer')
    cluster.utility(follower, ['transfer', ''])
    cluster.await_leader()
