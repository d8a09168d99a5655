"""Reads configurations with Patroni's own class and tells what its raft member would get.

Standard input: {"configs": [{"files": [text, ...] | null, "env": {...}}, ...],
                 "timeouts": [{"raftMinTimeout": 0.4, ...}, ...]}
Standard output: {"configs": [{...} | {"error": ...}], "timeouts": [true | false, ...]}
"""
import json
import logging
import os
import sys
import tempfile

from patroni.config import Config
from pysyncobj import SyncObjConf

logging.disable(logging.CRITICAL)


def read_config(case):
    for name in [name for name in os.environ if name.startswith('PATRONI_')]:
        del os.environ[name]
    os.environ.update(case['env'])
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(case['files'] or []):
            with open(os.path.join(folder, '%d.yml' % number), 'w') as file:
                file.write(text)
        try:
            # What raft_controller.py and dcs/raft.py take from it.
            raft = Config(folder if case['files'] else '').get('raft')
            return {
                'selfAddr': raft['self_addr'],
                'bindAddr': raft.get('bind_addr'),
                'partnerAddrs': sorted(set(raft.get('partner_addrs', [])) - {raft['self_addr']}),
                'dataDir': raft.get('data_dir', ''),
                'password': raft.get('password'),
                'dnsCacheMs': 1000 * (raft.get('ttl') or 30),
                'dnsFailCacheMs': 1000 * (raft.get('loop_wait') or 10),
                'discoveryMs': 1000 * int(raft.get('retry_timeout') or 10),
            }
        except Exception as error:
            return {'error': repr(error)}


def is_valid(timeouts):
    try:
        SyncObjConf(**timeouts).validate()
        return True
    except AssertionError:
        return False


asked = json.load(sys.stdin)
json.dump({
    'configs': [read_config(case) for case in asked['configs']],
    'timeouts': [is_valid(case) for case in asked['timeouts']],
}, sys.stdout)
