import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/** What the child runs: records of a length (four bytes, little-endian) and that many bytes. */
const script = String.raw`
import collections, pickle, random, struct, sys, types

class Node(object):
    def __init__(self, id): self._id = id
    def __eq__(self, other): return isinstance(other, Node) and self._id == other._id
    def __hash__(self): return hash(self._id)
class TCPNode(Node): pass
module = types.ModuleType('pysyncobj.node')
for cls in (Node, TCPNode):
    cls.__module__ = 'pysyncobj.node'
    setattr(module, cls.__name__, cls)
sys.modules['pysyncobj'] = types.ModuleType('pysyncobj')
sys.modules['pysyncobj.node'] = module

def form(v):
    t = type(v)
    if v is None or t in (bool, int): return (t.__name__, v)
    if t is float: return ('float', 'nan' if v != v else struct.pack('>d', v))
    if t is str: return ('str', v.encode('utf-8', 'surrogatepass'))
    if t in (bytes, bytearray): return ('bytes', bytes(v))
    if t in (list, tuple): return (t.__name__, [form(x) for x in v])
    if t in (set, frozenset): return (t.__name__, sorted(repr(form(x)) for x in v))
    if t in (dict, collections.OrderedDict): return (t.__name__, [(form(k), form(x)) for k, x in v.items()])
    if t in (Node, TCPNode): return (t.__name__, form(vars(v)))
    raise TypeError(t)

EDGES = [0, 255, 256, 65535, 65536, 2**31, 2**32, 2**53, 2**63, 2**64, 10**300]
CHARS = ['a', 'Z', ' ', '\0', '\n', '\r', '\x1a', '\\', '\\u0041', "'", '"', '\x7f', '\x80', '\xff',
         '\u20ac', '\ufffd', '\ufeff', '\U0001f600', '\U0010ffff', '\ud800', '\udc00', '\ud83d\ude00']
FLOATS = [0.0, -0.0, 1.0, 1.5, -2.25, 1e300, 5e-324, 2.0**53, float('inf'), -float('inf'), float('nan'), 0.1]

def scalar(r):
    k = r.randrange(9)
    if k == 0: return None
    if k == 1: return r.random() < 0.5
    if k == 2: return r.choice([1, -1]) * r.choice(EDGES) + r.randint(-2, 2)
    if k == 3: return r.randint(-300, 300)
    if k == 4: return r.choice(FLOATS) if r.random() < 0.5 else r.uniform(-1e6, 1e6)
    if k == 5: return ''.join(r.choice(CHARS) for _ in range(r.randrange(12)))
    if k == 6: return ''.join(chr(r.randint(32, 126)) for _ in range(r.choice([3, 20, 255, 256, 300])))
    if k == 7: return bytes(r.randrange(256) for _ in range(r.choice([0, 1, 5, 40, 255, 256, 300])))
    return r.choice(['value', 'updated', 'expire', 'type'])

def key(r):
    k = r.randrange(8)
    if k == 0: return tuple(scalar(r) for _ in range(r.randrange(4)))
    if k == 1: return frozenset(scalar(r) for _ in range(r.randrange(3)))
    if k == 2: return TCPNode('127.0.0.1:%d' % r.randrange(3))
    return scalar(r)

def value(r, depth=0):
    k = r.randrange(12) if depth < 4 else 11
    n = r.choice([0, 1, 1, 2, 3, 4, 6])
    if k == 0: return [value(r, depth + 1) for _ in range(n)]
    if k == 1: return tuple(value(r, depth + 1) for _ in range(n))
    if k == 2: return dict((key(r), value(r, depth + 1)) for _ in range(n))
    if k == 3: return set(key(r) for _ in range(n))
    if k == 4: return frozenset(key(r) for _ in range(n))
    if k == 5: return bytearray(r.randrange(256) for _ in range(n))
    if k == 6: return collections.OrderedDict((key(r), value(r, depth + 1)) for _ in range(n))
    if k == 7:
        node = r.choice([Node, TCPNode])(r.choice(['a:1', 'b:2', 7]))
        node.more = value(r, depth + 1)
        return node
    if k == 8:
        shared = value(r, depth + 1)
        return [shared, (shared, shared), {'x': shared}]
    if k == 9 and r.random() < 0.1: return [scalar(r) for _ in range(2500)]
    if k == 10 and r.random() < 0.1: return dict((str(i), i) for i in range(1200))
    return scalar(r)

def answer(record):
    command, protocol, seed = record[0:1], record[1], struct.unpack('<I', record[2:6])[0]
    body = record[6:]
    if command == b'V': return sys.version.encode()
    if command == b'G':
        dumps = pickle.dumps if seed % 2 else pickle._dumps
        return dumps(value(random.Random(seed)), protocol)
    if command == b'C':
        loads = pickle.loads if seed % 2 else pickle._loads
        wanted, got = form(value(random.Random(seed))), form(loads(body))
        return b'' if wanted == got else ('wanted %r\ngot %r' % (wanted, got)).encode('utf-8', 'replace')
    if command == b'L':
        try: read = pickle.loads(body)
        except Exception: read = pickle._loads(body)
        return pickle.dumps(read, protocol)
    return pickle.dumps(pickle.loads(body), protocol)

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
while True:
    header = stdin.read(4)
    if len(header) < 4: break
    try: reply = b'+' + answer(stdin.read(struct.unpack('<I', header)[0]))
    except Exception as error: reply = ('-%r' % (error,)).encode('utf-8', 'replace')
    stdout.write(struct.pack('<I', len(reply)) + reply)
    stdout.flush()
`;

/**
 * G: generate from the seed and pickle. C: compare with the seed's value. R: pickle anew. L: the same, by the
 * second of Python's readers where the first one raises, as PySyncObj does it.
 */
export type PythonCommand = "V" | "G" | "C" | "R" | "L";

/** A python3 process that generates, compares and re-pickles values. */
export class PythonPeer {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly waiting: ((reply: Buffer | Error) => void)[] = [];
  private pending: Buffer = Buffer.alloc(0);

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.child = child;
    child.stdout.on("data", (chunk: Buffer) => this.receive(chunk));
    child.on("close", () => this.failAll(new Error("python3 ended")));
    child.stdin.on("error", (error) => this.failAll(error));
  }

  /** Fails, saying so, where there is no python3. */
  static async start(): Promise<PythonPeer> {
    const child = spawn("python3", ["-W", "ignore", "-c", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await once(child, "spawn");
    } catch (cause) {
      throw new Error("this test needs python3 on the PATH", { cause });
    }
    return new PythonPeer(child);
  }

  ask(command: PythonCommand, protocol: number, seed: number, body?: Uint8Array): Promise<Buffer> {
    const header = Buffer.alloc(10);
    header.writeUInt32LE(6 + (body?.length ?? 0));
    header.write(command, 4, "latin1");
    header[5] = protocol;
    header.writeUInt32LE(seed, 6);
    this.child.stdin.write(body === undefined ? header : Buffer.concat([header, body]));
    return new Promise((resolve, reject) => {
      this.waiting.push((reply) => (reply instanceof Error ? reject(reply) : resolve(reply)));
    });
  }

  async stop(): Promise<void> {
    const closed = once(this.child, "close");
    this.child.stdin.end();
    await closed;
  }

  private receive(chunk: Buffer): void {
    this.pending = Buffer.concat([this.pending, chunk]);
    while (this.pending.length >= 4) {
      const end = 4 + this.pending.readUInt32LE(0);
      if (this.pending.length < end) return;
      const reply = this.pending.subarray(4, end);
      this.pending = this.pending.subarray(end);
      const isError = reply[0] !== 0x2b;
      const body = reply.subarray(1);
      this.waiting.shift()?.(isError ? new Error(`python3: ${body.toString()}`) : body);
    }
  }

  private failAll(error: Error): void {
    for (const settle of this.waiting.splice(0)) settle(error);
  }
}
