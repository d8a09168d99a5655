import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { encodeNoOp } from "../protocol/log/commands.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { readJournal } from "./support/journal-reading.js";
import { MixedCluster, type Place } from "./support/mixed-cluster.js";
import { openScene, type Scene } from "./support/scene.js";
import { type Kind, watch } from "./support/seats.js";
import {
  type Letters,
  ofLength,
  ofPickleLength,
  type Position,
  pickleLength,
  pieceBytes,
  type SizedCommand,
} from "./support/sized-commands.js";
import type { VanillaNode } from "./support/vanilla-client.js";

/**
 * Entries of every size at which upstream cuts them differently, from a vanilla leader to a Quorate
 * follower and back. Of two members both must hold an entry before either applies it; an observer
 * gets a third copy. A vanilla receiver fails at each piece that is marked `finish` too early, and
 * takes the entry with the last one; each failure costs it a heartbeat.
 */

const hugeBytes = 4 * 1024 * 1024;
/** A huge one goes to a vanilla observer and through Fernet; the machine may be busy. */
const appliedMsMax = 30_000;
/** A change of leaders loses what nobody acknowledges; then it is sent again. */
const attemptsMax = 3;

type Making = (position: Position) => SizedCommand;

interface Stage {
  readonly cluster: MixedCluster;
  /** Null: what follows is not for it. */
  observer: VanillaNode | null;
  readonly leader: Place;
  readonly sent: SizedCommand[];
}

/** Lengths of the command around the multiples at which pieces are called `finish`. */
const commandBytes = [1, 2, 3].flatMap((n) => around(n * pieceBytes, 1));
/** Lengths of the pickle around the multiples at which there is a piece more. */
const pickleBytes = [2, 3, 4].flatMap((n) => around(n * pieceBytes, 2));

function around(middle: number, by: number): number[] {
  return Array.from({ length: 2 * by + 1 }, (_, n) => middle - by + n);
}

/**
 * Ever larger ones first: the journal of PySyncObj <= 0.3.15 doubles once for an entry, however
 * large that is, and then raises IndexError where it does not fit (ResizableFile.write).
 */
function growing(): number[] {
  return Array.from({ length: 15 }, (_, n) => Math.round(400 * 1.5 ** n));
}

function plan(letters: Letters): Making[] {
  const key = (what: string) => `/${letters}/${what}`;
  return [
    ...commandBytes.map((n) => () => ofLength(key(`command ${n}`), n, letters)),
    ...pickleBytes.map(
      (n) => (at: Position) => ofPickleLength(key(`pickle ${n}`), n, { ...at, letters }),
    ),
  ];
}

/** Submits one command to the leader through a client, and waits until all have applied it. */
async function send(stage: Stage, client: VanillaNode, making: Making): Promise<void> {
  const { leader, sent } = stage;
  for (let attempt = 1; ; attempt++) {
    const { appliedIndex, term } = await leader.view();
    const made = making({ index: appliedIndex + 1, term, pickledBy: leader.kind });
    await client.submit(made.command);
    try {
      await appliedByAll(stage, appliedIndex + 1, made.name);
      sent.push(made);
      return;
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      await stage.cluster.settled();
    }
  }
}

async function appliedByAll(stage: Stage, index: number, what: string): Promise<void> {
  const { cluster, observer } = stage;
  const probe = async () => {
    const views = await Promise.all(cluster.places.map((place) => place.view()));
    const applied = views.map((view) => view.appliedIndex);
    if (observer !== null) applied.push(Number((await observer.status())["last_applied"]));
    if (applied.some((reached) => reached < index)) throw new Error(`${applied} of ${index}`);
    return true;
  };
  await eventually(`applied: ${what}`, probe, { timeoutMs: appliedMsMax, everyMs: 20 });
}

/** Several at once: an entry of any size may end a batch, which then travels in one piece. */
async function sendTogether(stage: Stage, client: VanillaNode): Promise<void> {
  const sizes = [
    100,
    70_000,
    200,
    40_000,
    40_000,
    300,
    pieceBytes - 300,
    pieceBytes,
    1_000_000,
    400,
  ];
  const made = sizes.map((bytes, n) =>
    ofLength(`/together/${n}`, bytes, n % 3 ? "ascii" : "beyond"),
  );
  const { appliedIndex } = await stage.leader.view();
  await Promise.all(made.map(({ command }) => client.submit(command)));
  await appliedByAll(stage, appliedIndex + made.length, "several at once");
  stage.sent.push(...made);
}

/** Both journals hold the same entries byte by byte, all the planned sizes among them. */
function checkJournals(stage: Stage): void {
  const [one, other] = stage.cluster.places.map(({ node }) =>
    readJournal(node.dataDir, node.selfAddr),
  );
  assert.ok(one !== undefined && other !== undefined);
  assert.equal(one.length, other.length);
  for (const [n, entry] of one.entries()) {
    const copy = other[n];
    const isSame = copy !== undefined && Buffer.compare(entry.command, copy.command) === 0;
    assert.ok(isSame && copy.term === entry.term, `entry ${entry.index} is the same in both`);
  }
  const commands = new Set(one.map(({ command }) => command.length));
  const pickles = new Set(one.map((entry) => pickleLength(entry, stage.leader.kind)));
  for (const bytes of [1, ...commandBytes, hugeBytes]) assert.ok(commands.has(bytes), `${bytes}`);
  for (const bytes of pickleBytes) assert.ok(pickles.has(bytes), `a pickle of ${bytes}`);
}

async function startStage(scene: Scene, t: TestContext, options: StageOptions): Promise<Stage> {
  const { version, password, leads } = options;
  const kinds: readonly Kind[] = ["vanilla", "quorate"];
  const electFirst = leads;
  const cluster = await MixedCluster.start(scene, { version, kinds, password, electFirst });
  t.after(() => cluster.stopWatching());
  const observer = await watch(scene, { version, password, addresses: cluster.addresses });
  let leader = await cluster.settled();
  // On a busy machine the patient one can be first; of two members, who is stopped cannot win.
  while (leader.kind !== leads) {
    await leader.node.stop();
    await cluster.restart(leader);
    leader = await cluster.settled();
  }
  return { cluster, observer, leader, sent: [] };
}

interface StageOptions {
  readonly version: string;
  readonly password: string | undefined;
  readonly leads: Kind;
}

async function sendAll(stage: Stage, observer: VanillaNode): Promise<void> {
  const { cluster } = stage;
  const [member] = cluster.vanillaClients();
  assert.ok(member !== undefined);
  const clients = [observer, member];
  const makings: Making[] = [
    ...growing().map((bytes) => () => ofLength(`/growing/${bytes}`, bytes, "ascii")),
    ...plan("ascii"),
    ...plan("beyond"),
    () => ofLength("/huge/ascii", hugeBytes, "ascii"),
  ];
  // One byte altogether: a no-op.
  const { appliedIndex } = await stage.leader.view();
  await observer.submit(encodeNoOp());
  await appliedByAll(stage, appliedIndex + 1, "a command of 1 byte");
  for (const [n, making] of makings.entries()) {
    const client = clients[n % clients.length];
    if (client !== undefined) await send(stage, client, making);
  }
  for (const client of clients) await sendTogether(stage, client);
  await assertEqualData([...cluster.places, observer], { timeoutMs: 60_000, everyMs: 500 });
  // Half of its 128 pieces a vanilla leader marks `finish`: the observer would stumble over each for
  // longer than the test should take.
  if (stage.leader.kind === "vanilla") {
    await observer.stop();
    stage.observer = null;
  }
  await send(stage, member, () => ofLength("/huge/beyond", hugeBytes, "beyond"));
  for (const value of ["", "x", "é"]) {
    assert.notEqual(await member.set(`/tiny/${value}`, value), false);
  }
}

for (const version of ["0.3.11", "0.3.17"]) {
  for (const leads of ["vanilla", "quorate"] as const satisfies Kind[]) {
    for (const password of [undefined, "Paßwort"]) {
      const links = password === undefined ? "plain" : "password";
      test(`entry sizes, a ${leads} leader: ${version}, ${links}`, async (t) => {
        const started = performance.now();
        const stage = await startStage(openScene(t), t, { version, password, leads });
        assert.ok(stage.observer !== null);
        await sendAll(stage, stage.observer);
        const { cluster, observer, sent } = stage;
        const sources = observer === null ? cluster.places : [...cluster.places, observer];
        const data = await assertEqualData(sources, { timeoutMs: 60_000, everyMs: 500 });
        const lost = sent.filter(({ key, value }) => data.entries[key]?.value !== value);
        const seconds = Math.round((performance.now() - started) / 1000);
        t.diagnostic(
          `${sent.length} entries of 1 B to 4 MiB; elections won: ${cluster.elections.join(", ")}; ` +
            `lost: ${lost.length}; ${seconds} s`,
        );
        assert.deepEqual(
          lost.map(({ name }) => name),
          [],
        );
        checkJournals(stage);
      });
    }
  }
}
