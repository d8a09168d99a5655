import type { TestContext } from "node:test";
import type { Entry } from "../../../protocol/log/entry.js";
import type { ApplyCommand, PeerMessage } from "../../../protocol/wire/messages.js";
import { encodeMembers, encodeStatus, type MemberStatus } from "../../../protocol/wire/utility.js";
import { ObserverClient } from "../../../src/client/observer-client.js";
import type { ObserverOptions } from "../../../src/client/observer-types.js";
import { freeAddress, type Recorded, startNetwork, until } from "../../net/support/networks.js";

/** A leader that does what the test says: real sockets, and no rules. */
export class ScriptedLeader {
  readonly #recorded: Recorded;
  readonly #log: Entry[] = [{ index: 1, term: 0, command: Uint8Array.of(1) }];
  #read = 0;
  term = 1;
  commit = 1;
  /** The other members of its cluster. */
  others: readonly string[] = [];

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
    recorded.onUtility = ({ command }, reply) =>
      reply(
        command === "status"
          ? encodeStatus(this.#status())
          : encodeMembers(
              [this.address, ...this.others].map((address) => ({
                ...{ address, leader: address === this.address, connected: true },
              })),
            ),
      );
  }

  get address(): string {
    return this.#recorded.address;
  }

  #status(): MemberStatus {
    return {
      ...{ version: "0.3.15", revision: "", self: this.address, state: 2, leader: this.address },
      ...{ hasQuorum: true, partners: [], observers: [], uptimeSec: 1, extra: new Map() },
      ...{ logLen: this.lastIndex, lastApplied: this.commit, commitIdx: this.commit },
      ...{ raftTerm: this.term, leaderCommitIdx: this.commit },
      ...{ nextNodeIdx: new Map(), matchIdx: new Map() },
      ...{ selfCodeVersion: 0, enabledCodeVersion: 0 },
    };
  }

  get lastIndex(): number {
    return this.#log.length;
  }

  /** The observers that have connected so far, the last one first. */
  get observer(): string {
    const seen = this.#recorded.happened.filter((line) => line.startsWith("observer "));
    return seen.at(-1)?.split(" ")[1] ?? "";
  }

  append(command: Uint8Array): Entry {
    const entry = { index: this.#log.length + 1, term: this.term, command };
    this.#log.push(entry);
    return entry;
  }

  replaceLast(command: Uint8Array): void {
    this.#log.pop();
    this.append(command);
  }

  /** All of the log with the commit index at its end, or where it is told. */
  sendLog(commit = this.#log.length): void {
    this.commit = commit;
    const [first, ...entries] = this.#log;
    this.send({
      ...{ type: "append_entries", term: this.term, commitIndex: commit, entries },
      ...{ prevLogIdx: 1, prevLogTerm: first?.term ?? 0 },
    });
  }

  send(message: PeerMessage): void {
    this.#recorded.network.send(this.observer, message);
  }

  /** Where the command is, or that it is nowhere. */
  answer({ requestId }: ApplyCommand, answer: Entry | number): void {
    const head = { type: "apply_command_response" as const, requestId: requestId ?? 0 };
    if (typeof answer === "number") this.send({ ...head, error: answer });
    else this.send({ ...head, logIdx: answer.index, logTerm: answer.term });
  }

  hangUp(): void {
    this.#recorded.network.closeLink(this.observer, "as the test says");
  }

  /** The next command that the client sends. */
  async command(): Promise<ApplyCommand> {
    let found: ApplyCommand | null = null;
    await until(() => {
      for (; found === null && this.#read < this.#recorded.messages.length; this.#read += 1) {
        const message = this.#recorded.messages[this.#read]?.message;
        if (message?.type === "apply_command") found = message;
      }
      return found !== null;
    }, "a command");
    if (found === null) throw new Error("unreachable: until has waited for it");
    return found;
  }

  /** Commands that have come and were not asked for. */
  commandsLeft(): number {
    const rest = this.#recorded.messages.slice(this.#read);
    return rest.filter(({ message }) => message.type === "apply_command").length;
  }
}

/** A member that says nothing of itself. */
export async function startMember(t: TestContext): Promise<ScriptedLeader> {
  return new ScriptedLeader(await startNetwork(t, { address: await freeAddress("127.0.0.23") }));
}

/** A leader that has committed its first entry, and a client that has it. */
export async function lead(
  t: TestContext,
  options: Partial<ObserverOptions> = {},
  others: readonly ScriptedLeader[] = [],
): Promise<{ leader: ScriptedLeader; client: ObserverClient }> {
  const leader = await startMember(t);
  leader.others = others.map(({ address }) => address);
  const connecting = ObserverClient.connect({ addresses: [leader.address], ...options });
  await until(() => leader.observer !== "", "an observer");
  leader.append(Uint8Array.of(1));
  leader.sendLog();
  const client = await connecting;
  t.after(() => client.close());
  return { leader, client };
}
