import { readFileSync } from "node:fs";

const kib = 1024;
/** What Linux gives times to programs in, on all its machines. */
const tickMs = 10;

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

/** Milliseconds that these processes have had on a processor, in the 10 ms ticks of the kernel. */
export function ticksMs(pids: readonly number[]): number {
  const times = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold blanks; user and system time are the 12th and 13th field behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  });
  return times.reduce((sum, time) => sum + time, 0);
}
