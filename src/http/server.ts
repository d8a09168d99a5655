import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connectionShares } from "../descriptors.js";
import type { Logger } from "../logger.js";
import type { HostPort } from "../node/config-types.js";
import type { MemberHandle } from "../node/member-types.js";
import {
  closeGraceMs,
  connectionsMax,
  headerBytesMax,
  idleMsMax,
  keepAliveMs,
  requestMsMax,
  timeoutCheckMs,
} from "./limits.js";
import { PacedConnection } from "./paced-connection.js";
import { bringsBody, problem, sendJson } from "./respond.js";
import { Routes } from "./routes.js";

export interface HttpServer {
  /** Where it listens; the port is the one that the system chose where 0 was asked for. */
  readonly address: HostPort;
  /** Lets answers under way finish for a moment. */
  close(): Promise<void>;
}

/**
 * Serves a member's status, health and data, on the given host only.
 *
 * @throws the listener's error, e.g. EADDRINUSE.
 */
export async function startHttpServer(
  member: MemberHandle,
  address: HostPort,
  logger: Logger,
): Promise<HttpServer> {
  const routes = new Routes(member, address.host);
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: requestMsMax,
      requestTimeout: requestMsMax,
      connectionsCheckingInterval: timeoutCheckMs,
      keepAliveTimeout: keepAliveMs,
    },
    (request, response) => answer(routes, request, response, logger),
  );
  const shares = connectionShares({ unidentified: 0, observers: 0, http: connectionsMax });
  paceConnections(server, shares.http);
  server.timeout = idleMsMax;
  server.on("clientError", refuseClient);
  server.on("checkExpectation", (request, response) => {
    begin(request, response);
    const message = "of expectations only 100-continue is known";
    sendJson({ request, response }, problem(417, "expect", message, { Connection: "close" }));
  });
  const port = await listen(server, address);
  server.on("error", (error) => logger.error("HTTP server failed", { reason: error.message }));
  logger.info("HTTP server listens", { host: address.host, port });
  if (!isLoopback(address.host)) {
    logger.warn("the HTTP server asks for no password: who reaches it can read all data", {
      host: address.host,
    });
  }
  return { address: { host: address.host, port }, close: () => close(server) };
}

/**
 * Puts a paced connection between each socket and the server. Where there are too many the oldest that
 * waits for nothing goes: a crowd that holds its places must not keep health checks out.
 */
function paceConnections(server: Server, max: number): void {
  const accept = server.listeners("connection");
  server.removeAllListeners("connection");
  const open = new Set<PacedConnection>();
  server.on("connection", (socket: Socket) => {
    if (open.size >= max) {
      const all = [...open];
      const oldest = all.find(({ isAnswering }) => !isAnswering) ?? all[0];
      if (oldest !== undefined) open.delete(oldest);
      oldest?.destroy();
    }
    const connection = new PacedConnection(socket);
    open.add(connection);
    connection.on("close", () => open.delete(connection));
    for (const take of accept) take.call(server, connection);
  });
}

function answer(
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
  logger: Logger,
): void {
  const exchange = { request, response };
  begin(request, response);
  routes.handle(exchange).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    logger.error("HTTP request failed", { path: request.url?.split("?", 1)[0], reason });
    if (response.headersSent) {
      response.destroy();
    } else {
      sendJson(exchange, problem(500, "failed", "the request failed; the log says why"));
    }
  });
}

/** For each request that is answered, whatever the answer is. */
function begin(request: IncomingMessage, response: ServerResponse): void {
  const connection: unknown = request.socket;
  response.once("close", () => {
    if (connection instanceof PacedConnection) connection.answered();
  });
  // The connection would take a body for further requests, and wait for their answers.
  if (bringsBody(request)) response.setHeader("Connection", "close");
  // What a client sends after its header is thrown away rather than kept.
  request.resume();
}

/** What is not HTTP, too large or too slow never reaches a route. */
function refuseClient(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const lines: Record<string, string> = {
    HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
    ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  };
  const line = lines[error.code ?? ""] ?? "400 Bad Request";
  const body = `${JSON.stringify({ error: "request", message: line })}\n`;
  socket.end(
    `HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `X-Content-Type-Options: nosniff\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  // Closed at once, with bytes unread, the answer would be lost.
  setTimeout(() => socket.destroy(), closeGraceMs).unref();
}

function listen(server: Server, { host, port }: HostPort): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), closeGraceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.[0-9.]+$/.test(host);
}
