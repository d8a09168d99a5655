"""Python values as JSON, with their types kept. README.md describes the encoding."""

import base64
import hashlib

# Longer strings and byte strings are given by their digest: they are test data, not readable.
PLAIN_LENGTH_MAX = 2048
SAFE_INTEGER_MAX = 2 ** 53 - 1


def encode(value):
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if abs(value) <= SAFE_INTEGER_MAX else {'$int': str(value)}
    if kind is float:
        return {'$float': repr(value)}
    if kind is str:
        return encode_str(value)
    if kind in (bytes, bytearray):
        return encode_bytes(bytes(value))
    if kind is list:
        return [encode(item) for item in value]
    if kind is tuple:
        return {'$tuple': [encode(item) for item in value]}
    if isinstance(value, dict):
        return {'$dict': [[encode(key), encode(item)] for key, item in value.items()]}
    if kind is set:
        return {'$set': sorted((encode(item) for item in value), key=repr)}
    if kind is frozenset:
        return {'$frozenset': sorted((encode(item) for item in value), key=repr)}
    return {'$instance': '%s.%s' % (kind.__module__, kind.__qualname__), 'state': encode(vars(value))}


def encode_bytes(value):
    if len(value) > PLAIN_LENGTH_MAX:
        return {'$digest': hashlib.sha256(value).hexdigest(), 'of': 'bytes', 'length': len(value)}
    return {'$bytes': base64.b64encode(value).decode()}


def encode_str(value):
    raw = value.encode('utf-8', 'surrogatepass')
    if len(raw) > PLAIN_LENGTH_MAX:
        return {'$digest': hashlib.sha256(raw).hexdigest(), 'of': 'str', 'length': len(raw)}
    # A high surrogate directly before a low one is two characters in Python, one in JSON.
    if has_surrogate_pair(value):
        return {'$surrogates': base64.b64encode(raw).decode()}
    return value


def has_surrogate_pair(value):
    pairs = zip(value, value[1:])
    return any('\ud800' <= a <= '\udbff' and '\udc00' <= b <= '\udfff' for a, b in pairs)
