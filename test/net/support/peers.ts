import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import type { FernetKey } from "../../../protocol/wire/fernet.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Session, type SessionEvent } from "../../../protocol/wire/session.js";
import { type RawSocket, rawConnect } from "./networks.js";

/** A peer that speaks the protocol but has none of our manners: no pings, no hello. */
export interface BarePeer {
  readonly raw: RawSocket;
  readonly session: Session;
  readonly events: SessionEvent[];
  /** Types of the messages that arrived. */
  types(): string[];
  send(message: PeerMessage): void;
}

export async function barePeer(
  t: TestContext,
  to: string,
  hello: string,
  options: { readonly key?: FernetKey; readonly from?: string } = {},
): Promise<BarePeer> {
  const { key = null, from } = options;
  const raw = await rawConnect(t, to, from);
  const session = new Session({
    role: { kind: "connector", hello },
    key,
    random: randomBytes,
    monotonicSec: () => performance.now() / 1_000,
  });
  const events: SessionEvent[] = [];
  raw.socket.on("data", (chunk: Buffer) => {
    const step = session.receive(chunk);
    events.push(...step.events);
    if (step.output.length > 0) {
      raw.socket.write(step.output);
    }
  });
  raw.socket.write(session.start());
  return {
    raw,
    session,
    events,
    types: () =>
      events.map((event) => (event.kind === "message" ? event.message.type : event.kind)),
    send: (message) => void raw.socket.write(session.encode(message)),
  };
}
