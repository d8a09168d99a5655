import type { Scene } from "../../interop-tests/support/scene.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { shown } from "../report/statistics.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import { type AskStatus, statusAsker } from "../systems/status.js";
import type { Running, System } from "../systems/system.js";
import { inScene, measure, type Say } from "./scenario.js";

/** Processes that do nothing but take processor time: members have to wait for a core. */
const hogs = [0, 8];
const hog = "for (;;);";
const statusMs = 10_000;

interface Figure {
  readonly system: string;
  readonly inFlight: number;
  readonly hogs: number;
  readonly seconds: number;
  readonly rate: number;
  readonly failed: number;
  /** By how much the term rose: the elections, in vain or not, while nothing failed. */
  readonly elections: number;
  readonly changedLeader: boolean;
}

/** Elections that nothing but the load brought about. Of etcd no term is asked. */
export async function elections(options: Options, say: Say): Promise<Outcome> {
  const names = options.systems.filter((name) => name !== "etcd");
  const systems = await chosenSystems(names, say);
  const figures: Figure[] = [];
  for (const beside of hogs) {
    for (const concurrency of options.concurrency) {
      for (const system of systems) {
        const figure = await inScene((scene) =>
          countOnce({ scene, system, options }, concurrency, beside),
        );
        figures.push(figure);
        say(`${system.name}, ${concurrency} in flight: ${figure.elections} elections`);
      }
    }
  }
  const rows = figures.map((figure) => [
    ...[figure.system, String(figure.inFlight), String(figure.hogs), String(figure.seconds)],
    ...[shown(figure.rate), String(figure.failed), String(figure.elections)],
    figure.changedLeader ? "yes" : "no",
  ]);
  const head = ["system", "in flight", "busy processes beside", "seconds", "writes/s", "failed"];
  return { figures, text: table([...head, "elections", "another leader"], rows) };
}

interface Place {
  readonly scene: Scene;
  readonly system: System;
  readonly options: Options;
}

async function countOnce(
  { scene, system, options }: Place,
  inFlight: number,
  beside: number,
): Promise<Figure> {
  const { members, password, warmUp, seconds } = options;
  const running = await system.start(scene, { members, password });
  const ask = statusAsker(password);
  const before = await lookAt(running, ask);
  for (let n = 0; n < beside; n++) {
    scene.start({ name: `hog ${n}`, program: process.execPath, args: ["-e", hog] });
  }
  const { rate, failed } = await measure(running, options, inFlight);
  const after = await lookAt(running, ask);
  return {
    ...{ system: system.name, inFlight, hogs: beside, seconds: warmUp + seconds, rate, failed },
    elections: after.term - before.term,
    changedLeader: after.leader !== before.leader,
  };
}

async function lookAt(running: Running, ask: AskStatus) {
  const { address: leader } = await running.leader();
  const told = await Promise.all(
    running.members.map(({ address }) => ask(address, statusMs).then(({ raftTerm }) => raftTerm)),
  );
  return { leader, term: Math.max(...told) };
}
