"""The same work in Python, with the C pickle, zlib and cryptography that PySyncObj uses.

    python python-micro.py    (samples as JSON {name: base64} on stdin; microseconds as JSON on stdout)
"""

import base64
import json
import pickle
import sys
import time
import zlib

from cryptography.fernet import Fernet

ROUND_SEC = 0.06
ROUNDS = 6


def microseconds(work):
    calls = 1
    while seconds(work, calls) < ROUND_SEC / 4:
        calls *= 2
    times = sorted(seconds(work, calls) * 1e6 / calls for _ in range(ROUNDS))
    return {'median': (times[2] + times[3]) / 2, 'min': times[0], 'max': times[-1]}


def seconds(work, calls):
    began = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - began


def main():
    samples = {name: base64.b64decode(data) for name, data in json.load(sys.stdin).items()}
    fernet = Fernet(base64.urlsafe_b64encode(bytes(range(32))))
    result = {}
    for name, data in samples.items():
        value = pickle.loads(data, encoding='latin1')
        stream = zlib.compress(data, 3)
        token = fernet.encrypt(stream)
        result[name] = {
            'pickle decode': microseconds(lambda: pickle.loads(data, encoding='latin1')),
            'pickle encode': microseconds(lambda: pickle.dumps(value, protocol=2)),
            'deflate': microseconds(lambda: zlib.compress(data, 3)),
            'inflate': microseconds(lambda: zlib.decompress(stream)),
            'seal': microseconds(lambda: fernet.encrypt(stream)),
            'open': microseconds(lambda: fernet.decrypt(token)),
        }
    json.dump(result, sys.stdout)


main()
