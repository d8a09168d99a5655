import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { adminStatus } from "./support/admin.js";
import { eventually } from "./support/eventually.js";
import { errorCode } from "./support/folder-lock.js";
import { freeAddresses } from "./support/free-ports.js";
import { parseKvData } from "./support/kv-data.js";
import { isRecord } from "./support/line-channel.js";
import { untilListening } from "./support/listening.js";
import { nodeMajors } from "./support/node-versions.js";
import type { Child } from "./support/process.js";
import { projectRoot } from "./support/project.js";
import { pythonWith } from "./support/python.js";
import { openScene, type Scene } from "./support/scene.js";
import { startObserver } from "./support/vanilla-client.js";

/** docker-compose.yml, checked by docker-compose itself, and its commands run outside containers. */

/** The PySyncObj that docker/vanilla/Dockerfile installs. */
const version = "0.3.17";
const password = "s3cret";
/** Upstream tries again after five seconds where the other side did not listen yet. */
const formMsMax = 60_000;
const httpInContainer = "0.0.0.0:8008";

interface Service {
  readonly name: string;
  readonly context: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where its volumes are in the container, by their names. */
  readonly volumes: ReadonlyMap<string, string>;
}

function run(program: string, args: readonly string[], env = {}): Promise<string> {
  const options = { cwd: projectRoot(), timeout: 60_000, env: { ...process.env, ...env } };
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (errorCode(error) === "ENOENT") {
        const install = "on Debian and Ubuntu: apt-get install docker-compose";
        reject(new Error(`${program} is not installed (${install})`, { cause: error }));
      } else reject(new Error(`${program} ${args.join(" ")}: ${stderr}`, { cause: error }));
    });
  });
}

function record(value: unknown, what: string): Record<string, unknown> {
  assert.ok(isRecord(value), `${what} is a mapping`);
  return value;
}

function strings(value: unknown, what: string): string[] {
  assert.ok(Array.isArray(value), `${what} is a list`);
  return value.map(String);
}

/** The file as docker-compose resolves it, RAFT_PASSWORD included. */
async function resolveCompose(): Promise<Record<string, unknown>> {
  const config: unknown = parse(
    await run("docker-compose", ["-f", "docker-compose.yml", "config"], {
      RAFT_PASSWORD: password,
    }),
  );
  return record(config, "the file");
}

function servicesOf(config: Record<string, unknown>): Service[] {
  return Object.entries(record(config["services"], "services")).map(([name, value]) => {
    const service = record(value, name);
    const entrypoint = service["entrypoint"] ?? [];
    const environment = record(service["environment"], `${name}.environment`);
    const volumes = strings(service["volumes"], `${name}.volumes`).map((volume) => {
      const [source = "", target = ""] = volume.split(":");
      return [source, target] as const;
    });
    return {
      name,
      context: String(record(service["build"], `${name}.build`)["context"]),
      command: [entrypoint, service["command"]].flatMap((part) => strings(part, `${name}.command`)),
      environment: Object.fromEntries(
        Object.entries(environment).map(([variable, text]) => [variable, String(text)]),
      ),
      volumes: new Map(volumes),
    };
  });
}

/** The HEALTHCHECK of a Dockerfile in its exec form. */
function healthCheck(context: string): string[] {
  const text = readFileSync(join(context, "Dockerfile"), "utf8");
  const command = /^HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec(text.replaceAll("\\\n", ""))?.[1];
  assert.ok(command !== undefined, `${context}/Dockerfile has a HEALTHCHECK`);
  return strings(JSON.parse(command), "HEALTHCHECK");
}

/** What stands for the containers' network and file systems. */
interface Stand {
  readonly scene: Scene;
  /** `host:port` in the containers' network to one on this machine. */
  readonly addresses: ReadonlyMap<string, string>;
}

function translate(stand: Stand, service: Service, text: string): string {
  let translated = text;
  for (const [inside, outside] of stand.addresses) {
    translated = translated.replaceAll(inside, outside);
  }
  for (const [volume, folder] of service.volumes) {
    if (text === folder) translated = stand.scene.makeFolder(volume);
  }
  return translated;
}

/** The service's program as it is here, and its environment as it is in the container. */
async function commandOf(stand: Stand, service: Service, command: readonly string[]) {
  const { bin, env } = await pythonWith(version);
  const [program = "", ...args] = command.map((word) => translate(stand, service, word));
  const environment = Object.entries(service.environment).map(([variable, text]) => [
    variable,
    translate(stand, service, text),
  ]);
  const path = { PATH: `${join(bin("syncobj_admin"), "..")}:${process.env["PATH"]}` };
  const all = { ...env, ...path, ...Object.fromEntries(environment) };
  if (program === "quorate") {
    const script = join(projectRoot(), "bin", "quorate.js");
    return { program: process.execPath, args: [script, ...args], env: all };
  }
  if (program === "node") return { program: process.execPath, args, env: all };
  return { program: program === "sh" ? "/bin/sh" : bin(program), args, env: all };
}

test("docker-compose takes the file, and all that it refers to is there", async () => {
  const config = await resolveCompose();
  const services = servicesOf(config);
  assert.deepEqual(services.map((service) => service.name).sort(), [
    "quorate",
    "vanilla-1",
    "vanilla-2",
  ]);
  const known = Object.keys(record(config["volumes"], "volumes"));
  for (const service of services) {
    assert.ok(existsSync(join(service.context, "Dockerfile")), `${service.context}/Dockerfile`);
    assert.equal(service.environment["PATRONI_RAFT_SELF_ADDR"], `${service.name}:2222`);
    assert.equal(service.environment["PATRONI_RAFT_PASSWORD"], password);
    const folders = [...service.volumes.values()];
    assert.deepEqual(folders, [service.environment["PATRONI_RAFT_DATA_DIR"]]);
    for (const volume of service.volumes.keys()) assert.ok(known.includes(volume), volume);
    const file = readFileSync(join(service.context, "Dockerfile"), "utf8");
    assert.match(file, /^USER (node|patroni)$/m, "no root in the container");
    assert.ok(file.includes(`VOLUME ${folders[0]}`), `${service.name} keeps its data in a volume`);
    // Images without their line would be others tomorrow than those that were tried.
    const node = /^FROM node:(\d+)-slim$/m.exec(file)?.[1];
    const lines: readonly number[] = nodeMajors;
    if (node !== undefined) assert.ok(lines.includes(Number(node)), `Node.js ${node} is tested`);
    else assert.match(file, /^FROM python:3\.\d+-slim$/m);
    if (node === undefined) assert.ok(file.includes(`"pysyncobj==${version}"`));
  }
});

test("the services' commands form a cluster that takes writes", { timeout: 180_000 }, async (t) => {
  const scene = openScene(t);
  const services = servicesOf(await resolveCompose());
  const [http = "", ...members] = await freeAddresses(services.length + 1);
  const inside = services.map((service) => service.environment["PATRONI_RAFT_SELF_ADDR"] ?? "");
  const addresses = new Map([
    ...inside.map((address, n): [string, string] => [address, members[n] ?? ""]),
    [httpInContainer, http],
    ["127.0.0.1:8008", http],
  ]);
  const stand: Stand = { scene, addresses };
  const children: Child[] = [];
  for (const service of services) {
    const command = await commandOf(stand, service, service.command);
    children.push(scene.start({ name: service.name, ...command }));
  }
  await Promise.all(children.map((child, n) => untilListening(child, members[n] ?? "")));

  const formed = async () => {
    const statuses = await Promise.all(
      members.map((address) => adminStatus({ version, address, password })),
    );
    const leaders = new Set(statuses.map((status) => status["leader"]));
    const [leader = "None"] = leaders;
    return leaders.size === 1 && leader !== "None" && statuses.every(isConnectedToTwo);
  };
  const what = "one leader for the three, all connected";
  await eventually(what, formed, { timeoutMs: formMsMax });
  const observer = await startObserver(scene, { version, partners: members, password });
  assert.notEqual(await observer.set("/compose", "written"), false);
  await eventually("the write on the Quorate member", async () => {
    const response = await fetch(`http://${http}/v1/kv?prefix=/compose`);
    return parseKvData(await response.json()).entries["/compose"]?.value === "written";
  });
  for (const service of services) {
    const check = await commandOf(stand, service, healthCheck(service.context));
    await run(check.program, check.args, check.env);
  }
  for (const child of children) {
    const exit = await child.stop();
    assert.equal(exit.code, 0, `${child.name} stops cleanly on SIGTERM`);
  }
  for (const service of services) {
    const check = await commandOf(stand, service, healthCheck(service.context));
    await assert.rejects(run(check.program, check.args, check.env), `${service.name} is down`);
  }
});

function isConnectedToTwo(status: Readonly<Record<string, string>>): boolean {
  const partners = Object.entries(status).filter(([name]) =>
    name.startsWith("partner_node_status"),
  );
  return partners.length === 2 && partners.every(([, state]) => state === "2");
}
