import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { endianness } from "node:os";

/** State of an established connection in /proc/net/tcp. */
const established = "01";

/**
 * Which of these processes holds the other end of a connection on the loopback, or null where none of
 * them does. A connection does not say who opened it before its first message, and a question of
 * Quorate's never does; Linux knows.
 */
export function dialerOf(
  connection: { readonly localPort: number; readonly remotePort: number },
  pids: readonly number[],
): number | null {
  const inode = inodeOf(connection.remotePort, connection.localPort);
  if (inode === null) return null;
  return pids.find((pid) => holds(pid, `socket:[${inode}]`)) ?? null;
}

/** The socket with these ports, as its own side has them. */
function inodeOf(localPort: number, remotePort: number): string | null {
  // A search and no parsing: a machine under test has thousands of connections that have just ended.
  const wanted = `${hexAddress(localPort)} ${hexAddress(remotePort)} ${established} `;
  const table = readFileSync("/proc/net/tcp", "utf8");
  const from = table.indexOf(wanted);
  if (from === -1) return null;
  // Behind the state: queues, timer, retransmissions, uid, timeout, inode.
  const fields = table.slice(from + wanted.length, table.indexOf("\n", from)).trim();
  return fields.split(/\s+/)[5] ?? null;
}

/** 127.0.0.1 and the port, as the table has them: the address's bytes in the machine's order. */
function hexAddress(port: number): string {
  const loopback = endianness() === "LE" ? "0100007F" : "7F000001";
  return `${loopback}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

function holds(pid: number, link: string): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => linkOf(`${folder}/${fd}`) === link);
  } catch {
    // It has ended.
    return false;
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since the folder was listed.
    return null;
  }
}
