"""Commands as the real replicated methods make them."""

import patroni.dcs.raft as raft

from .encoding import encode

VALUE = {'value': 'wert €', 'updated': 1700000000.25, 'created': 1700000000.125}
EXPIRING = dict(VALUE, expire=1700000030.25)


def capture(port_base):
    node = raft.KVStoreTTL(None, None, None, self_addr=None, partner_addrs=[])
    found = []

    def recorder(call):
        def apply_command(command, callback, kind):
            found.append({'call': call, 'bytes': encode(bytes([kind]) + command)})
        return apply_command

    def record(name, *args, **kwargs):
        call = {'name': name, 'args': encode(list(args)), 'kwargs': encode(kwargs)}
        node._applyCommand = recorder(call)
        getattr(node, name)(*args, **kwargs)

    conditions = [{}, {'prevExist': False}, {'prevExist': True}, {'prevValue': 'wert €'}, {'prevValue': ''},
                  {'prevValue': None}, {'prevIndex': 7}, {'prevIndex': None}, {'prevIndex': 2 ** 40},
                  {'prevExist': True, 'prevValue': 'a', 'prevIndex': 300}]
    for kwargs in conditions:
        record('_set', '/service/a/leader', dict(VALUE), **kwargs)
        record('_delete', '/service/a/leader', recursive=False, **kwargs)
    for value in ('', '\x00', 'x' * 255, 'x' * 256, '\U0001f418', 'lone \ud800', 'same', '{"a": 1}'):
        record('_set', 'same', dict(EXPIRING, value=value))
    record('_delete', '/service/a/', recursive=True)
    record('_expire', '/ttl', dict(EXPIRING, index=12))
    record('_expire', '/ttl', dict(EXPIRING, index=2 ** 33))
    record('addNodeToCluster', '127.0.0.1:%d' % port_base)
    record('removeNodeFromCluster', '127.0.0.1:%d' % port_base)
    record('setCodeVersion', 0)
    node.destroy()
    return found
