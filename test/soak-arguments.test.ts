import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SoakArguments } from "../interop-tests/support/soak-arguments.js";

/* A long run that was asked for nonsense must say so, and start nothing: nothing played is nothing lost. */

const built = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Each program of `npm run soak`, and what it must refuse. */
const nonsense: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "interop-tests/soak/clocks": [["--rounds", "x"]],
  "interop-tests/soak/crashes": [
    ["--kills", "abc"],
    ["--moment", "swich"],
    ["--victims", "al"],
    ["--members", "qxq"],
  ],
  "interop-tests/soak/disk-faults": [
    ["--inject", "--times", "x"],
    ["--full", "--from", "10", "--to", "5"],
    ["--inject", "--errors", "EIOO"],
  ],
  "interop-tests/soak/partitions": [
    ["--rounds", "x"],
    ["--only", "typo"],
  ],
  "interop-tests/soak/power-loss": [["--runs", "x"]],
  "interop-tests/soak/upstream-defect": [
    ["--seats", "quorate"],
    ["--guards-off", "vote"],
  ],
  "test/soak/fuzz": [
    ["--executions", "x"],
    ["--target", "typo"],
    ["--input", "(:"],
  ],
  "test/soak/large-journal": [["--folder", "/no such folder"]],
  "test/soak/long-steps": [["--keys", "1e6"]],
  "test/sim/main": [
    ["--seed", "x"],
    ["--profile", "typo"],
    ["--mutant", "typo"],
  ],
};

async function refused(program: string, args: readonly string[]): Promise<void> {
  const given = `${program} ${args.join(" ")}`;
  const child = spawn(process.execPath, [built(`${program}.js`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.deepEqual([await code, out], [2, ""], `${given}: ${err}`);
  assert.match(err, /^npm run .+: .+; what it takes: npm run .+ --help\n$/, given);
}

describe("a long run that is asked for nonsense says so, and starts nothing", () => {
  test("every program has its line here", () => {
    const programs = ["interop-tests/soak", "test/soak"].flatMap((folder) =>
      readdirSync(built(folder))
        .filter((name) => name.endsWith(".js"))
        .map((name) => `${folder}/${name.slice(0, -".js".length)}`),
    );
    assert.deepEqual(Object.keys(nonsense).sort(), [...programs, "test/sim/main"].sort());
  });

  for (const [program, cases] of Object.entries(nonsense)) {
    test(program, async () => {
      for (const args of [...cases, ["--no-such-option"]]) await refused(program, args);
    });
  }
});

describe("arguments of a long run", () => {
  const options = {
    kills: { type: "string", default: "10" },
    seed: { type: "string" },
    share: { type: "string", default: "0.5" },
    members: { type: "string", default: "qqv" },
    losses: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  } as const;
  const parsed = (...args: readonly string[]) =>
    new SoakArguments(
      { program: "run", help: "how to", options },
      {
        args,
        tell: (help) => {
          throw new Error(`told: ${help}`);
        },
        refuse: (line) => {
          throw new Error(line);
        },
      },
    );

  test("are what was given, or the default", () => {
    const given = parsed("--kills", "12", "--losses");
    assert.equal(given.count("kills"), 12);
    assert.equal(given.count("seed", { otherwise: 7 }), 7);
    assert.equal(given.number("share", { to: 1 }), 0.5);
    assert.deepEqual(given.kinds("members", { from: 3, to: 3 }), ["quorate", "quorate", "vanilla"]);
    assert.equal(given.isSet("losses"), true);
    assert.equal(parsed().isSet("losses"), false);
    assert.deepEqual(parsed("--losses", "--seed=3").without("kills"), [
      ...["--losses", "--seed=3", "--share=0.5", "--members=qqv"],
    ]);
  });

  const wrong: readonly (readonly [string, (given: ReturnType<typeof parsed>) => unknown])[] = [
    ["--kills=", (given) => given.count("kills")],
    ["--kills=0", (given) => given.count("kills")],
    ["--kills=1.5", (given) => given.count("kills")],
    ["--kills=0x10", (given) => given.count("kills")],
    ["--kills=1e3", (given) => given.count("kills")],
    ["--kills=11", (given) => given.count("kills", { to: 10 })],
    ["--share=1.01", (given) => given.number("share", { to: 1 })],
    ["--share=.", (given) => given.number("share")],
    ["--share=NaN", (given) => given.number("share")],
    ["--members=qq", (given) => given.kinds("members", { from: 3, to: 5 })],
    ["--members=qqQ", (given) => given.kinds("members", { from: 3, to: 5 })],
  ];
  for (const [arg, read] of wrong) {
    const [option] = arg.split("=");
    test(`${arg} is refused`, () => {
      const why = new RegExp(`^run: ${option}: ".*" is not .*; what it takes: run --help$`);
      assert.throws(() => read(parsed(arg)), { message: why });
    });
  }

  test("that nobody knows are refused in one sentence, and so is one without its value", () => {
    const said = (...args: readonly string[]) => {
      try {
        parsed(...args);
      } catch (error) {
        return error instanceof Error ? error.message : "";
      }
      return "nothing";
    };
    const end = "; what it takes: run --help";
    assert.equal(said("--kils", "3"), `run: Unknown option '--kils'${end}`);
    assert.equal(said("all"), `run: Unexpected argument 'all'${end}`);
    assert.equal(said("--kills"), `run: Option '--kills <value>' argument missing${end}`);
    assert.equal(said("--help"), "told: how to");
  });
});
