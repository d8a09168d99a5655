import { execFile } from "node:child_process";
import { eventually } from "../../interop-tests/support/eventually.js";
import { freePorts } from "../../interop-tests/support/free-ports.js";
import { untilListening } from "../../interop-tests/support/listening.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import type { ClusterOptions, Running, RunningMember, System } from "./system.js";

const missing =
  "etcd is not installed: on Debian and Ubuntu `apt-get install etcd-server`, then run this again";

interface Seat {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
}

/** Debian's etcd with its defaults; a put is answered when it is committed and applied. */
export const etcdSystem: System = {
  name: "etcd",
  isDurable: true,
  missing: async () => ((await version()) === null ? missing : null),
  start: startEtcd,
};

/** Null where there is no etcd. */
export function version(): Promise<string | null> {
  return new Promise((resolve) => {
    execFile("etcd", ["--version"], (error, stdout) => {
      resolve(error === null ? (/etcd Version: (\S+)/.exec(stdout)?.[1] ?? "unknown") : null);
    });
  });
}

async function startEtcd(scene: Scene, options: ClusterOptions): Promise<Running> {
  const ports = await freePorts(options.members * 2);
  const seats = Array.from({ length: options.members }, (_, at) => ({
    name: `etcd-${at + 1}`,
    client: `127.0.0.1:${ports[2 * at] ?? 0}`,
    peer: `127.0.0.1:${ports[2 * at + 1] ?? 0}`,
  }));
  const members = await Promise.all(seats.map((seat) => startOne(scene, seat, seats)));
  const running: Running = {
    wire: "etcd",
    members,
    leader: () => findLeader(members),
    restart: async (member) => {
      const at = members.indexOf(member);
      const seat = seats[at];
      if (seat !== undefined) members[at] = await startOne(scene, seat, seats);
    },
  };
  await running.leader();
  return running;
}

async function startOne(scene: Scene, seat: Seat, seats: readonly Seat[]): Promise<RunningMember> {
  const dataDir = scene.makeFolder(seat.name);
  const cluster = seats.map(({ name, peer }) => `${name}=http://${peer}`).join(",");
  const flags = {
    name: seat.name,
    "data-dir": dataDir,
    "listen-client-urls": `http://${seat.client}`,
    "advertise-client-urls": `http://${seat.client}`,
    "listen-peer-urls": `http://${seat.peer}`,
    "initial-advertise-peer-urls": `http://${seat.peer}`,
    "initial-cluster": cluster,
  };
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const child = scene.start({ name: seat.name, program: "etcd", args });
  await untilListening(child, seat.client);
  return { address: seat.client, dataDir, child };
}

function findLeader(members: readonly RunningMember[]): Promise<RunningMember> {
  return eventually(
    "one etcd leader for all",
    async () => {
      const running = members.filter(({ child }) => child.isRunning);
      const seen = await Promise.all(running.map(({ address }) => status(address)));
      const leader = seen[0]?.leader;
      if (leader === undefined || seen.some((other) => other.leader !== leader)) return null;
      return running[seen.findIndex(({ self }) => self === leader)];
    },
    { timeoutMs: 60_000 },
  );
}

/** By the gateway that answers JSON: this is not on the measured path. */
async function status(address: string): Promise<{ self: string; leader: string }> {
  const response = await fetch(`http://${address}/v3/maintenance/status`, {
    method: "POST",
    body: "{}",
    signal: AbortSignal.timeout(2_000),
  });
  const body = (await response.json()) as {
    leader?: string;
    header?: { member_id?: string };
  };
  return { self: body.header?.member_id ?? "", leader: body.leader ?? "none" };
}
