import { readFileSync } from "node:fs";

const kib = 1024;

/** Resident memory of a process in bytes, as Linux tells it. */
export function residentBytes(pid: number): number {
  return statusKib(pid, "VmRSS") * kib;
}

/** The most that it ever was. */
export function peakResidentBytes(pid: number): number {
  return statusKib(pid, "VmHWM") * kib;
}

function statusKib(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (found === undefined) throw new Error(`process ${pid} does not tell its ${field}`);
  return Number(found);
}

/** Nanoseconds that all threads of a process have had on a processor. */
export function cpuMs(pid: number, threads: readonly string[]): number {
  const times = threads.map((thread) => {
    const [nanoseconds = "0"] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(
      " ",
    );
    return Number(nanoseconds);
  });
  return times.reduce((sum, time) => sum + time, 0) / 1e6;
}
