import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { encodeUtility } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import { AckObserver } from "../support/ack-observer.js";
import { assertEqualData } from "../support/compare.js";
import { eventually } from "../support/eventually.js";
import { freeAddresses } from "../support/free-ports.js";
import type { KvData } from "../support/kv-data.js";
import { QuorateMember, spawnQuorate, startQuorate } from "../support/quorate-member.js";
import type { Scene } from "../support/scene.js";
import type { Kind } from "../support/seats.js";
import { type ControlledMember, startVanillaMemberWithControl } from "../support/vanilla-member.js";

export interface StageOptions {
  /** Who the others are; the first member, on the disk that fails, is always Quorate. */
  readonly others?: readonly Kind[];
  readonly victimDir?: string;
  readonly compactAbove?: number;
}

export interface VictimOptions {
  /** System calls that fail, for strace: `fdatasync:error=EIO:when=3`. */
  readonly inject?: string;
  /** Only on this one of its files. */
  readonly file?: string | undefined;
  /** Do not wait until it listens. */
  readonly isDoomed?: boolean;
}

const vanillaVersion = "0.3.17";
const writersAtOnce = 3;
const writerPauseMs = 15;
const retryPauseMs = 30;
const keysOfWriter = 20;
/** An election on a machine that does many other things. */
const patience = { timeoutMs: 60_000 };

/** A cluster in which one member's disk fails, under a client that writes all the time. */
export class DiskStage {
  readonly scene: Scene;
  readonly addresses: readonly string[];
  readonly victimDir: string;
  /** Each key's last acknowledged value. */
  readonly acked = new Map<string, string>();
  victim: QuorateMember;
  /** Of each value that is written. */
  valueBytes = 200;
  readonly others: (QuorateMember | ControlledMember)[];
  readonly #options: StageOptions;
  readonly #http: string;
  readonly #observer: AckObserver;
  readonly #writers: Promise<void>[] = [];
  #isWriting = true;
  #isHeld = false;
  #count = 0;
  #ackedCount = 0;

  private constructor(
    scene: Scene,
    options: StageOptions,
    parts: {
      readonly addresses: readonly string[];
      readonly http: string;
      readonly victimDir: string;
      readonly victim: QuorateMember;
      readonly others: (QuorateMember | ControlledMember)[];
    },
  ) {
    this.scene = scene;
    this.#options = options;
    this.#http = parts.http;
    this.addresses = parts.addresses;
    this.victimDir = parts.victimDir;
    this.victim = parts.victim;
    this.others = parts.others;
    this.#observer = new AckObserver(parts.addresses);
  }

  static async start(scene: Scene, options: StageOptions = {}): Promise<DiskStage> {
    const { others = ["quorate", "quorate"], compactAbove = 40 } = options;
    const found = await freeAddresses(others.length + 2);
    const http = found.at(-1) ?? "";
    const addresses = found.slice(0, -1);
    const victimDir = options.victimDir ?? scene.makeFolder("victim");
    const [victim, ...rest] = await Promise.all([
      startQuorate(scene, quorateOptions(addresses, 0, compactAbove, { dataDir: victimDir, http })),
      ...others.map((kind, at) =>
        kind === "quorate"
          ? startQuorate(scene, quorateOptions(addresses, at + 1, compactAbove, {}))
          : startVanillaMemberWithControl(scene, {
              ...seatOptions(addresses, at + 1),
              version: vanillaVersion,
              conf: { connectionRetryTime: 0.5, logCompactionMinEntries: compactAbove },
            }),
      ),
    ]);
    assert.ok(victim instanceof QuorateMember);
    const stage = new DiskStage(scene, options, {
      ...{ addresses, http, victimDir, victim, others: rest },
    });
    await stage.#observer.start();
    for (let writer = 0; writer < writersAtOnce; writer++) stage.#writers.push(stage.#goOn(writer));
    await stage.more(5).catch(async (error: unknown) => {
      await stage.close();
      throw error;
    });
    return stage;
  }

  get all(): readonly (QuorateMember | ControlledMember)[] {
    return [this.victim, ...this.others];
  }

  file(kind: string): string {
    return join(this.victimDir, `${this.victim.selfAddr}.${kind}`);
  }

  holdWrites(): void {
    this.#isHeld = true;
  }

  goOnWriting(): void {
    this.#isHeld = false;
  }

  /** One of the others loses its disk, and starts again. */
  async restartEmpty(at: number): Promise<void> {
    const member = this.others[at];
    assert.ok(member instanceof QuorateMember);
    await member.stop("SIGKILL");
    rmSync(member.dataDir, { recursive: true });
    mkdirSync(member.dataDir);
    await this.restart(at);
  }

  /** One of the others starts again, on its files. */
  async restart(at: number): Promise<void> {
    const member = this.others[at];
    assert.ok(member instanceof QuorateMember);
    const { compactAbove = 40 } = this.#options;
    const { dataDir, http } = member;
    assert.ok(http !== null);
    const given = quorateOptions(this.addresses, at + 1, compactAbove, { dataDir, http });
    this.others[at] = await startQuorate(this.scene, given);
  }

  /** Waits for so many more acknowledged writes. */
  async more(count: number): Promise<void> {
    const wanted = this.#ackedCount + count;
    await eventually(
      `${wanted} acknowledged writes`,
      () => {
        if (this.#ackedCount < wanted) throw new Error(`${this.#ackedCount}`);
        return true;
      },
      patience,
    );
  }

  /** One write, once. @returns whether it was acknowledged. */
  async write(key: string, valueBytes: number): Promise<boolean> {
    this.#count += 1;
    const value = `${this.#count} ${noise(valueBytes)}`;
    const times = { created: 1_700_000_000.25, updated: 1_700_000_000.25 };
    const ack = await this.#observer.write(encodeSet(key, { value, ...times }));
    if (ack === null) return false;
    this.acked.set(key, value);
    this.#ackedCount += 1;
    return true;
  }

  /** Starts the victim again, on its files. */
  async startVictim(options: VictimOptions = {}): Promise<QuorateMember> {
    const { compactAbove = 40 } = this.#options;
    const given = quorateOptions(this.addresses, 0, compactAbove, {
      ...{ dataDir: this.victimDir, http: this.#http },
    });
    const { inject, file } = options;
    const injected =
      inject === undefined
        ? {}
        : { under: this.#strace(inject, file), env: { UV_THREADPOOL_SIZE: "1" } };
    const member = spawnQuorate(this.scene, { ...given, http: this.#http, ...injected });
    this.victim = member;
    if (options.isDoomed !== true) await this.victimAnswers();
    return member;
  }

  async victimAnswers(): Promise<void> {
    assert.ok(await this.untilUpOrEnded(), `it ended: ${this.lastError()}`);
  }

  /** @returns false where the victim has ended. */
  async untilUpOrEnded(): Promise<boolean> {
    await eventually(
      "the member answers",
      async () => !this.victim.child.isRunning || (await this.victim.httpStatus()) !== null,
      patience,
    );
    return this.victim.child.isRunning;
  }

  /** The system calls of the victim's last life under strace. */
  get straceLog(): string {
    return join(this.scene.folder, "strace.log");
  }

  /** System calls on the member's own files fail as told; counted a thread, so there is one. */
  #strace(inject: string, file: string | undefined): string[] {
    const names = ["journal", "journal.meta", "journal.meta.tmp", "journal.quorate-tmp", "dump"];
    const dumps = [1, 2, 3, 4].map((n) => `dump.quorate-tmp-${n}`);
    const all = [this.victimDir, ...[...names, ...dumps].map((name) => this.file(name))];
    const paths = file === undefined ? all : [this.file(file)];
    const call = inject.slice(0, inject.indexOf(":"));
    return [
      ...["strace", "-D", "-qq", "-f", "-o", this.straceLog],
      ...paths.flatMap((path) => ["-P", path]),
      ...["-e", `trace=${call}`, "-e", `inject=${inject}`],
    ];
  }

  /** The leader that all who answer agree on; null where there is none. */
  async leader(): Promise<string | null> {
    const said = await Promise.all(
      this.all.map((member) =>
        member instanceof QuorateMember
          ? member.httpStatus().then(
              ({ leader }) => leader,
              () => undefined,
            )
          : member.status().then(
              ({ leader }) => leader,
              () => undefined,
            ),
      ),
    );
    const heard = said.filter((leader) => leader !== undefined);
    return heard.length > 1 && new Set(heard).size === 1 ? (heard[0] as string | null) : null;
  }

  /** Leadership is handed to the victim. */
  async makeVictimLead(): Promise<void> {
    await this.makeLead(this.victim.selfAddr);
  }

  /** Leadership is handed to this member; given up where the victim has ended. */
  async makeLead(selfAddr: string): Promise<void> {
    await eventually(
      `${selfAddr} leads`,
      async () => {
        if (!this.victim.child.isRunning) return true;
        const leader = await this.leader();
        if (leader === selfAddr) return true;
        if (leader !== null) {
          const request = encodeUtility({ command: "transfer", address: selfAddr });
          await askUtility(leader, request, { timeoutMs: 5_000, key: null }).catch(() => null);
        }
        await sleep(300);
        return false;
      },
      patience,
    );
  }

  /** Codes for which the victim's health is degraded. */
  async reasons(): Promise<string[]> {
    return await this.victim.reasons();
  }

  /** What the victim's present process has logged as errors, a sentence each. */
  errors(): string[] {
    return this.victim
      .logLines()
      .filter(({ level }) => level === "error")
      .map(({ message }) => String(message));
  }

  lastError(): string {
    return this.errors().at(-1) ?? "";
  }

  async close(): Promise<void> {
    this.#isWriting = false;
    await Promise.all([...this.#writers, this.#observer.close()]);
  }

  /** The writes end; then all members hold all that was acknowledged, and the same. */
  async judge(): Promise<KvData> {
    await this.close();
    const data = await assertEqualData(this.all, patience);
    // A writer's next attempt at a key may have come through without an acknowledgement.
    const lost = [...this.acked].filter(([key, value]) => {
      const held = data.entries[key]?.value;
      return !(Number.parseInt(String(held), 10) >= Number.parseInt(value, 10));
    });
    assert.deepEqual(lost, [], `${lost.length} acknowledged writes are lost`);
    return data;
  }

  async #goOn(writer: number): Promise<void> {
    while (this.#isWriting) {
      if (this.#isHeld) {
        await sleep(retryPauseMs);
        continue;
      }
      // Few keys: the dump stays small, however long it goes on.
      const key = `/disk/${writer}/${(this.#count + 1) % keysOfWriter}`;
      const isAcked = await this.write(key, this.valueBytes);
      await sleep(isAcked ? writerPauseMs : retryPauseMs);
    }
  }
}

/** Text that no compression makes smaller than three quarters. */
function noise(bytes: number): string {
  return randomBytes(Math.ceil((bytes * 3) / 4)).toString("base64");
}

function seatOptions(addresses: readonly string[], at: number) {
  const selfAddr = addresses[at] ?? "";
  return { selfAddr, partners: addresses.filter((address) => address !== selfAddr) };
}

function quorateOptions(
  addresses: readonly string[],
  at: number,
  compactAbove: number,
  more: { readonly dataDir?: string; readonly http?: string },
) {
  const extraArgs = [
    ...["--connection-retry-time", "0.5", "--log-compaction-min-entries", String(compactAbove)],
  ];
  return { ...seatOptions(addresses, at), extraArgs, ...more };
}
