import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { describe, it } from "node:test";
import { type RunOptions, runMember } from "../../src/cli/run-member.js";
import type { Logger } from "../../src/logger.js";
import { loadConfig } from "../../src/node/config.js";
import type { MemberHandle, StopReason } from "../../src/node/member-types.js";

class Setup {
  readonly lines: string[] = [];
  readonly exits: number[] = [];
  readonly signals = new EventEmitter();
  stops = 0;
  httpCloses = 0;
  stopsAtOnce = true;
  startFault: Error | null = null;
  httpFault: Error | null = null;
  settle: (reason: StopReason) => void = () => {};
  readonly code: () => Promise<number>;

  constructor() {
    const stopped = new Promise<StopReason>((resolve) => {
      this.settle = resolve;
    });
    const member: MemberHandle = {
      stop: async () => {
        this.stops += 1;
        if (this.stopsAtOnce) this.settle({ kind: "stopped" });
        await stopped;
      },
      status: () => assert.fail(),
      kv: () => assert.fail(),
      stopped,
    };
    const say =
      (level: string) =>
      (message: string): void => {
        this.lines.push(`${level} ${message}`);
      };
    const logger: Logger = {
      error: say("error"),
      warn: say("warn"),
      info: say("info"),
      debug: say("debug"),
    };
    const flags = { selfAddr: "a:1", http: "127.0.0.1:0" };
    const options: RunOptions = {
      config: loadConfig({ env: {}, flags }),
      logger,
      signals: this.signals,
      exit: (code) => {
        this.exits.push(code);
      },
      startMember: async () => {
        if (this.startFault !== null) throw this.startFault;
        return member;
      },
      startHttp: async (_member, address) => {
        if (this.httpFault !== null) throw this.httpFault;
        setImmediate(() => this.signals.emit("up"));
        return {
          address,
          close: async () => {
            this.httpCloses += 1;
          },
        };
      },
    };
    this.code = () => runMember(options);
  }

  async start(): Promise<Promise<number>[]> {
    const code = this.code();
    await once(this.signals, "up");
    return [code];
  }
}

describe("run", () => {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    it(`stops once on ${signal} and ends with 0`, async () => {
      const setup = new Setup();
      const [code] = await setup.start();
      setup.signals.emit(signal);
      assert.equal(await code, 0);
      assert.deepEqual([setup.stops, setup.httpCloses, setup.exits], [1, 1, []]);
      assert.deepEqual(setup.lines, ["info stopping", "info stopped"]);
      assert.equal(setup.signals.listenerCount(signal), 0);
    });
  }

  it("ends at once on a second signal, with that signal's code", async () => {
    for (const [second, expected] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const setup = new Setup();
      setup.stopsAtOnce = false;
      const [code] = await setup.start();
      setup.signals.emit("SIGTERM");
      await new Promise((resolve) => setImmediate(resolve));
      setup.signals.emit(second);
      assert.deepEqual([setup.exits, setup.stops], [[expected], 1]);
      setup.settle({ kind: "stopped" });
      await code;
    }
  });

  it("ends with 1 when the member fails, its stack only at debug", async () => {
    const setup = new Setup();
    const [code] = await setup.start();
    const error = Object.assign(new Error("disk\nis gone"), { code: "EIO" });
    setup.settle({ kind: "failed", error });
    assert.equal(await code, 1);
    assert.equal(setup.lines[0], "error the member failed: disk (EIO)");
    assert.deepEqual(setup.lines.slice(1, 3), ["debug Error: disk", "debug is gone"]);
    assert.equal(setup.httpCloses, 1);
  });

  it("goes on after SIGHUP, which asks for a reload", async () => {
    const setup = new Setup();
    const [code] = await setup.start();
    setup.signals.emit("SIGHUP");
    assert.match(setup.lines[0] ?? "", /^info SIGHUP is ignored/);
    assert.deepEqual([setup.stops, setup.exits], [0, []]);
    setup.signals.emit("SIGTERM");
    assert.equal(await code, 0);
  });

  it("ends with 1 when the member cannot start", async () => {
    const setup = new Setup();
    setup.startFault = new Error("data_dir is locked");
    assert.equal(await setup.code(), 1);
    assert.equal(setup.lines[0], "error cannot run: data_dir is locked");
  });

  it("stops the member when the HTTP port is taken", async () => {
    const setup = new Setup();
    setup.httpFault = new Error("listen EADDRINUSE");
    assert.equal(await setup.code(), 1);
    assert.equal(setup.stops, 1);
  });

  for (const event of ["uncaughtException", "unhandledRejection"]) {
    it(`${event}: one line, exit 1`, async () => {
      const setup = new Setup();
      const [code] = await setup.start();
      setup.signals.emit(event, new Error("oops\nmore"));
      assert.deepEqual(setup.exits, [1]);
      assert.equal(setup.lines[0], "error unexpected failure: oops");
      setup.settle({ kind: "stopped" });
      await code;
    });
  }
});
