import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { deflateSync, inflateSync } from "node:zlib";
import { projectRoot } from "../../interop-tests/support/project.js";
import { pythonWith } from "../../interop-tests/support/python.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { deflate, deflateLevel, inflate } from "../../protocol/wire/compression.js";
import { openToken, sealToken } from "../../protocol/wire/fernet.js";
import { Inflater } from "../../protocol/wire/inflater.js";
import { messageBytesMax } from "../../protocol/wire/limits.js";
import { decodeMessage, encodeMessage } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import type { Spread } from "../report/statistics.js";
import { table } from "../report/table.js";
import type { Say } from "../scenarios/scenario.js";
import { pysyncobjVersion } from "../systems/raft-members.js";
import { samples } from "./samples.js";
import { microseconds } from "./stopwatch.js";
import { zlibSync } from "./zlib-sync.js";

type Times = Readonly<Record<string, Pick<Spread, "median" | "min" | "max">>>;

interface Figure {
  readonly sample: string;
  readonly bytes: number;
  readonly deflatedBytes: number;
  readonly ours: Times;
  readonly python: Times | null;
}

/** The codec, piece by piece, in microseconds of processor time. */
export async function micro(_options: Options, say: Say): Promise<Outcome> {
  const python = await pythonTimes(say);
  const figures = Object.entries(samples).map(([sample, pickle]): Figure => {
    say(sample);
    const deflatedBytes = deflateSync(pickle, { level: deflateLevel }).length;
    const theirs = python?.[sample] ?? null;
    return { sample, bytes: pickle.length, deflatedBytes, ours: measured(pickle), python: theirs };
  });
  return { figures, text: `${times(figures, "ours")}\n\nPython\n\n${times(figures, "python")}` };
}

function measured(pickle: Uint8Array): Times {
  const stream = deflateSync(pickle, { level: deflateLevel });
  const stored = deflateSync(pickle, { level: 0 });
  const value = decodePickle(pickle);
  const inflater = new Inflater();
  const room = new Uint8Array(messageBytesMax);
  const key = { signing: randomBytes(16), encryption: randomBytes(16) };
  const iv = randomBytes(16);
  const frame = deflate(pickle);
  const token = sealToken(key, frame, 1, iv);
  const works: Record<string, () => unknown> = {
    "pickle decode": () => decodePickle(pickle),
    "pickle encode": () => encodePickle(value),
    ...messageWorks(pickle),
    "deflate (as sent)": () => deflate(pickle),
    "deflate node:zlib": () => deflateSync(pickle, { level: deflateLevel }),
    "inflate (as sent)": () => inflate(frame, messageBytesMax),
    "inflate node:zlib": () => inflateSync(stream),
    "inflate pako": () => {
      inflater.start([stream], room, messageBytesMax);
      inflater.run(messageBytesMax);
    },
    "inflate pako, stored": () => {
      inflater.start([stored], room, messageBytesMax);
      inflater.run(messageBytesMax);
    },
    seal: () => sealToken(key, frame, 1, iv),
    open: () => openToken(key, token),
    ...(zlibSync === null ? {} : zlibSync(stream)),
  };
  return Object.fromEntries(
    Object.entries(works).map(([name, work]) => [name, microseconds(work)]),
  );
}

/** Commands are no messages. */
function messageWorks(pickle: Uint8Array): Record<string, () => unknown> {
  const value = decodePickle(pickle);
  if (!(value instanceof Map)) return {};
  const message = decodeMessage(value);
  if (message.type === "unknown") return {};
  const known: PeerMessage = message;
  return {
    "message decode": () => decodeMessage(decodePickle(pickle, {}, "copy")),
    "message encode": () => encodeMessage(known),
  };
}

function times(figures: readonly Figure[], whose: "ours" | "python"): string {
  const names = [...new Set(figures.flatMap((figure) => Object.keys(figure[whose] ?? {})))];
  const head = ["µs of processor time", ...figures.map(({ sample }) => sample)];
  const sizes = ["bytes (deflated)"].concat(
    figures.map(({ bytes, deflatedBytes }) => `${bytes} (${deflatedBytes})`),
  );
  const rows = names.map((name) => [
    name,
    ...figures.map((figure) => figure[whose]?.[name]?.median.toFixed(2) ?? ""),
  ]);
  return table(head, [sizes, ...rows]);
}

async function pythonTimes(say: Say): Promise<Readonly<Record<string, Times>> | null> {
  try {
    const { python, env } = await pythonWith(pysyncobjVersion);
    const script = join(projectRoot(), "bench", "micro", "python-micro.py");
    const input = JSON.stringify(
      Object.fromEntries(
        Object.entries(samples).map(([name, data]) => [name, Buffer.from(data).toString("base64")]),
      ),
    );
    return await new Promise((resolve, reject) => {
      const options = { env: { ...process.env, ...env } };
      const child = execFile(python, [script], options, (error, stdout, stderr) => {
        if (error === null) resolve(JSON.parse(stdout) as Readonly<Record<string, Times>>);
        else reject(new Error(stderr, { cause: error }));
      });
      child.stdin?.end(input);
    });
  } catch (error) {
    say(`Python is left out: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}
