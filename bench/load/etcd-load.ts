import { GrpcConnection } from "./grpc-connection.js";
import { Encoded, keyName, type LoadClient, valueText, type Workload } from "./load-client.js";

const putMethod = "/etcdserverpb.KV/Put";
const retryMs = 20;

interface Endpoint {
  connection: GrpcConnection | null;
  isUp: boolean;
}

/** Puts over gRPC: to the first endpoint while it is there, then to the next. */
export class EtcdLoad implements LoadClient {
  readonly #puts: Encoded;
  readonly #addresses: readonly string[];
  readonly #endpoints: Endpoint[];
  #isClosed = false;
  #opened: (() => void) | null = null;

  constructor(addresses: readonly string[], workload: Workload) {
    this.#puts = new Encoded((key) =>
      putRequest(keyName(key), valueText(key, workload.valueBytes)),
    );
    this.#addresses = addresses;
    this.#endpoints = addresses.map(() => ({ connection: null, isUp: false }));
  }

  open(): Promise<void> {
    this.#addresses.forEach((_, at) => {
      this.#dial(at);
    });
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  write(key: number, done: (committed: boolean) => void): void {
    const endpoint = this.#endpoints.find(({ isUp }) => isUp);
    if (endpoint?.connection === undefined || endpoint.connection === null) {
      setTimeout(() => done(false), 5);
      return;
    }
    endpoint.connection.call(this.#puts.of(key), done);
  }

  close(): void {
    this.#isClosed = true;
    for (const { connection } of this.#endpoints) connection?.close();
  }

  #dial(at: number): void {
    const address = this.#addresses[at];
    const endpoint = this.#endpoints[at];
    if (this.#isClosed || address === undefined || endpoint === undefined) return;
    endpoint.connection = new GrpcConnection(address, putMethod, {
      up: () => {
        endpoint.isUp = true;
        if (at === 0) this.#opened?.();
      },
      down: () => {
        endpoint.isUp = false;
        if (!this.#isClosed) setTimeout(() => this.#dial(at), retryMs);
      },
    });
  }
}

/** A protobuf PutRequest: field 1 the key, field 2 the value. */
export function putRequest(key: string, value: string): Uint8Array {
  return Buffer.concat([field(1, Buffer.from(key)), field(2, Buffer.from(value))]);
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.from([...bytes, left]);
}
