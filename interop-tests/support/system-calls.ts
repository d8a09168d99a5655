import { readFileSync } from "node:fs";

/**
 * All calls by which a process changes files and names, or sends and receives; with each that it might
 * use in their place, so that a use is noticed. A member under strace is about ten times slower.
 */
const fileCalls =
  "open,openat,openat2,creat,close,close_range,write,pwrite64,writev,pwritev,pwritev2,read," +
  "readv,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat," +
  "rmdir,ftruncate,truncate,fallocate,fdatasync,fsync,sync,syncfs,sync_file_range,mmap,msync," +
  "execve,dup,dup2,dup3,sendfile,splice,copy_file_range,io_uring_setup,io_uring_enter,io_submit";
const socketCalls =
  "socket,connect,accept,accept4,sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg,shutdown";

/** strace and its options in front of a program; the program itself is the child's process. */
export function strace(traceFile: string): string[] {
  const shown = ["-yy", "-xx", "-s", String(16 * 1024 * 1024)];
  const calls = ["-e", `trace=${fileCalls},${socketCalls}`];
  return ["strace", "-D", "-q", "-f", "-ttt", "-T", ...shown, ...calls, "-o", traceFile];
}

/** A call's argument that is a descriptor, and what strace says that it stands for. */
export interface Descriptor {
  readonly fd: number;
  /** A path, or `TCP:[127.0.0.1:1->127.0.0.1:2]`. */
  readonly target: string;
}

/** One system call that has ended; a call that the process's end cut short has `result` null. */
export interface SystemCall {
  readonly name: string;
  /** Id of the thread that made it. */
  readonly thread: string;
  /** As strace prints them, strings in hexadecimal. */
  readonly args: readonly string[];
  readonly result: number | null;
  /** What the resulting descriptor stands for. */
  readonly resultTarget: string;
  /** `ENOENT`, …; null where it succeeded. */
  readonly error: string | null;
  /** Positions in the order of all beginnings and ends of calls, as the tracer saw them. */
  readonly begin: number;
  readonly end: number;
  /** Seconds since 1970. */
  readonly beginSec: number;
  readonly endSec: number;
}

interface Open {
  readonly name: string;
  readonly thread: string;
  readonly args: string;
  readonly begin: number;
  readonly beginSec: number;
}

/** Reads what strace wrote, in the order in which the calls began. */
export function readSystemCalls(traceFile: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const open = new Map<string, Open>();
  let at = 0;
  const lines = readFileSync(traceFile, "latin1").split("\n");
  const others = otherPrograms(lines);
  for (const line of lines) {
    const [, pid = "", time = "", rest = ""] = /^(\d+) +([\d.]+) (.*)$/.exec(line) ?? [];
    if (others.has(pid)) continue;
    const sec = Number(time);
    const begun = /^(\w+)\((.*) <unfinished \.\.\.>$/.exec(rest);
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest);
    const whole = /^(\w+)\((.*)$/.exec(rest);
    if (begun !== null) {
      const [, name = "", args = ""] = begun;
      const text = args.replace(/, $/, ", ");
      open.set(pid, { name, thread: pid, args: text, begin: at, beginSec: sec });
      at += 1;
    } else if (resumed !== null) {
      const started = open.get(pid);
      open.delete(pid);
      if (started === undefined) throw new Error(`resumed without a beginning: ${rest}`);
      calls.push(finished(started, (resumed[2] ?? "").trimStart(), { end: at, endSec: sec }));
      at += 1;
    } else if (whole !== null) {
      const [, name = "", args = ""] = whole;
      const durationSec = Number(/<([\d.]+)>$/.exec(args)?.[1] ?? 0);
      const started = { name, thread: pid, args: "", begin: at, beginSec: sec };
      calls.push(finished(started, args, { end: at + 1, endSec: sec + durationSec }));
      at += 2;
    }
  }
  for (const left of open.values()) {
    calls.push(finished(left, ") = ?", { end: Number.POSITIVE_INFINITY, endSec: left.beginSec }));
  }
  return calls.sort((a, b) => a.begin - b.begin);
}

/** Ids of programs that the member has started: they have descriptors of their own. */
function otherPrograms(lines: readonly string[]): ReadonlySet<string> {
  const started = lines.flatMap((line) => /^(\d+) +[\d.]+ execve\(/.exec(line)?.[1] ?? []);
  return new Set(started.filter((pid) => pid !== started[0]));
}

function finished(
  { name, thread, args, begin, beginSec }: Open,
  rest: string,
  { end, endSec }: { end: number; endSec: number },
): SystemCall {
  const text = args + rest;
  const parsed = /^(.*)\) += (-?\d+|\?|0x[0-9a-f]+)(?:<([^>]*(?:->[^>]*)?)>)?(?: ([A-Z]\w+))?/.exec(
    text,
  );
  if (parsed === null) throw new Error(`not a line of strace: ${name}(${text.slice(0, 200)}`);
  const [, list = "", value = "", target = "", error] = parsed;
  return {
    name,
    thread,
    args: splitArguments(list),
    result: value === "?" ? null : Number(value),
    resultTarget: decoded(target),
    error: Number(value) < 0 ? (error ?? "error") : null,
    begin,
    end,
    beginSec,
    endSec,
  };
}

/** Commas between brackets do not count; strings hold none, being in hexadecimal. */
function splitArguments(list: string): string[] {
  if (list === "") return [];
  const args: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < list.length; at++) {
    const letter = list[at];
    if (letter === "{" || letter === "[" || letter === "(") depth += 1;
    else if (letter === "}" || letter === "]" || letter === ")") depth -= 1;
    else if (letter === "," && depth === 0) {
      args.push(list.slice(from, at).trim());
      from = at + 1;
    }
  }
  args.push(list.slice(from).trim());
  return args;
}

export function descriptor(arg: string | undefined): Descriptor {
  const [, fd = "-1", target = ""] = /^(\d+)(?:<(.*)>)?$/.exec(arg ?? "") ?? [];
  return { fd: Number(fd), target: decoded(target) };
}

/** The path that a string argument holds. */
export function path(arg: string | undefined): string {
  return bytes(arg).toString("utf8");
}

/** @throws Error where the string was cut off. */
export function bytes(arg: string | undefined): Buffer {
  const [, hex = "", more = ""] = /^"((?:\\x[0-9a-f]{2})*)"(\.*)$/.exec(arg ?? "") ?? [];
  if (more !== "") throw new Error("strace has cut a string off");
  return Buffer.from(hex.replaceAll("\\x", ""), "hex");
}

/** The bytes of `[{iov_base="…", iov_len=5}, …]`. */
export function vectorBytes(arg: string | undefined): Buffer {
  const parts = [...(arg ?? "").matchAll(/iov_base=("[^"]*"\.*)/g)];
  return Buffer.concat(parts.map(([, part]) => bytes(part)));
}

function decoded(text: string): string {
  return text.includes("\\x") ? bytes(`"${text}"`).toString("utf8") : text;
}
