import { connect, type Socket } from "node:net";

/** A socket that sends what is written in one turn of the loop in one call of the system. */
export class GatheredSocket {
  readonly socket: Socket;
  #gathered: Uint8Array[] = [];
  #isClosed = false;

  constructor(socket: Socket, events: { data(chunk: Buffer): void; closed(): void }) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => events.data(chunk));
    // An error is followed by the close.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#isClosed = true;
      events.closed();
    });
  }

  static dial(address: string, events: { data(chunk: Buffer): void; closed(): void }) {
    const colon = address.lastIndexOf(":");
    const socket = connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
    });
    return new GatheredSocket(socket, events);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  write(bytes: Uint8Array): void {
    if (this.#gathered.length === 0) setImmediate(() => this.#flush());
    this.#gathered.push(bytes);
  }

  close(): void {
    this.socket.destroy();
  }

  #flush(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    const [first] = gathered;
    if (this.#isClosed || first === undefined) return;
    this.socket.write(gathered.length === 1 ? first : Buffer.concat(gathered));
  }
}
