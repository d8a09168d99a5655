import { Scene } from "../../interop-tests/support/scene.js";
import { type Actor, makeCast, pysyncobjVersion, whyNoPython } from "./cast.js";
import { play } from "./story.js";
import { Teller } from "./teller.js";

/** Ended by Ctrl-C before the end of the demonstration. */
const interrupted = 130;

/**
 * `npm start`: shows the main job, then stays up until Ctrl-C. With `--once` it ends after the
 * demonstration, with 0 where all of it came to pass and 1 where not.
 */
export async function main(args: readonly string[]): Promise<void> {
  const unknown = args.find((arg) => arg !== "--once");
  if (unknown !== undefined) {
    process.stderr.write(`npm start knows --once, not ${unknown}\n`);
    process.exitCode = 2;
    return;
  }
  const run = {
    scene: new Scene(),
    teller: new Teller(),
    stop: listenForStop(),
    once: args.includes("--once"),
  };
  try {
    const interruption = run.stop.stopped.then(() => interrupted);
    process.exitCode = await Promise.race([show(run), interruption]);
    if (process.exitCode === 0 && !run.once) await interruption;
    run.teller.say("stopping the members and removing their data");
  } finally {
    await run.scene.close();
    // What still waits for a member that is gone would hold the process.
    process.exit();
  }
}

interface Run {
  readonly scene: Scene;
  readonly teller: Teller;
  readonly stop: Stop;
  readonly once: boolean;
}

/** Gives the exit code. */
async function show({ scene, teller, stop, once }: Run): Promise<number> {
  try {
    const cast = await chooseCast(scene, teller);
    await play({ scene, cast, teller });
    teller.say("all of it came to pass");
    if (!once) invite(cast, teller);
    return 0;
  } catch (error) {
    // On Ctrl-C the members end, which is no failure.
    if (stop.isStopping) return interrupted;
    const what = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${scene.report()}\n`);
    process.stderr.write(`npm start: ${what}; the ends of the members' logs are above\n`);
    return 1;
  }
}

async function chooseCast(scene: Scene, teller: Teller): Promise<Actor[]> {
  teller.say("preparing Patroni 4.1.5 in a virtual environment (a minute, the first time)");
  const why = await whyNoPython();
  if (why === null) {
    teller.say(
      `a cluster of two real patroni_raft_controllers (PySyncObj ${pysyncobjVersion}) and one Quorate`,
    );
  } else {
    teller.say("no vanilla members here, so three Quorate members take the parts:");
    teller.more(why);
  }
  return await makeCast(scene, why === null);
}

function invite(cast: readonly Actor[], teller: Teller): void {
  teller.say("the cluster stays up until Ctrl-C; try in another terminal:");
  const addresses = cast.map((actor) => actor.address);
  teller.plain();
  for (const address of addresses) teller.plain(`  node bin/quorate.js status --addr ${address}`);
  teller.plain(`  node bin/quorate.js members --addr ${addresses[0]}`);
  teller.plain(`  node bin/quorate.js transfer --help`);
  for (const what of ["ls /demo/first/1", "put /demo/mine hello", "watch /demo/"]) {
    teller.plain(`  node bin/quorate.js kv ${what} --addr ${addresses[0]}`);
  }
  for (const { http } of cast) {
    if (http === null) continue;
    teller.plain(`  curl 'http://${http}/v1/status'`);
    teller.plain(`  curl 'http://${http}/v1/kv?prefix=/demo/first/1'`);
    teller.plain(`  curl 'http://${http}/health'`);
  }
  teller.plain();
}

interface Stop {
  readonly stopped: Promise<void>;
  isStopping: boolean;
}

/** Later signals change nothing: the end is under way. */
function listenForStop(): Stop {
  let resolve = () => {};
  const stopped = new Promise<void>((settle) => {
    resolve = settle;
  });
  const stop: Stop = { stopped, isStopping: false };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // First of all listeners: the harness's own one ends the members, which then has its reason.
    process.prependListener(signal, () => {
      stop.isStopping = true;
      resolve();
    });
  }
  return stop;
}
