import { type MemberHandle, refetchingCode } from "../node/member-types.js";
import { healthAnswer } from "./health.js";
import { isHostAllowed } from "./host-guard.js";
import { streamKv } from "./kv-stream.js";
import { kvResponsesMax } from "./limits.js";
import {
  type Answer,
  bringsBody,
  commonHeaders,
  type Exchange,
  problem,
  sendJson,
} from "./respond.js";

/** Answers requests about one member. */
export class Routes {
  readonly #member: MemberHandle;
  readonly #host: string;
  #kvResponses = 0;

  /** @param host The configured host, which requests may name. */
  constructor(member: MemberHandle, host: string) {
    this.#member = member;
    this.#host = host;
  }

  async handle(exchange: Exchange): Promise<void> {
    const refusal = this.#refuse(exchange);
    if (refusal !== null) {
      sendJson(exchange, refusal);
      return;
    }
    const url = exchange.request.url ?? "";
    const question = url.indexOf("?");
    const path = question < 0 ? url : url.slice(0, question);
    const query = question < 0 ? "" : url.slice(question + 1);
    switch (path) {
      case "/v1/status":
        sendJson(exchange, { status: 200, body: this.#member.status() });
        break;
      case "/health":
        sendJson(exchange, healthAnswer(this.#member.status()));
        break;
      case "/v1/kv":
        await this.#kv(exchange, query);
        break;
      default:
        sendJson(exchange, problem(404, "not-found", "try /v1/status, /v1/kv or /health"));
    }
  }

  /** What is wrong with any request, whatever it asks for. */
  #refuse({ request }: Exchange): Answer | null {
    const { headers, method, url } = request;
    if (!isHostAllowed(headers.host, this.#host)) {
      const message = "the Host header must be an address, localhost or the configured host";
      return problem(421, "host", message);
    }
    if (method !== "GET" && method !== "HEAD") {
      const headers = { Allow: "GET, HEAD", Connection: "close" };
      return problem(405, "method", "only GET and HEAD are answered", headers);
    }
    if (bringsBody(request)) return problem(413, "body", "requests have no body");
    return url?.startsWith("/") === true
      ? null
      : problem(400, "target", "the target must be a path");
  }

  async #kv(exchange: Exchange, query: string): Promise<void> {
    const prefix = readPrefix(query);
    if (prefix === null) {
      const message = "the query may hold one `prefix`, percent-encoded UTF-8, and nothing else";
      sendJson(exchange, problem(400, "query", message));
      return;
    }
    const missing = this.#member.status().degraded.find(({ code }) => code === refetchingCode);
    if (missing !== undefined) {
      const message = `this member ${missing.message}`;
      sendJson(exchange, problem(503, missing.code, message, { "Retry-After": "1" }));
      return;
    }
    if (exchange.request.method === "HEAD") {
      exchange.response.writeHead(200, commonHeaders).end();
      return;
    }
    if (this.#kvResponses >= kvResponsesMax) {
      const message = "too many readers at once";
      sendJson(exchange, problem(503, "busy", message, { "Retry-After": "1" }));
      return;
    }
    this.#kvResponses += 1;
    try {
      await streamKv(exchange, this.#member.kv(prefix));
    } finally {
      this.#kvResponses -= 1;
    }
  }
}

/** The prefix asked for, the empty one where there is none; null where the query is not understood. */
function readPrefix(query: string): string | null {
  try {
    // URLSearchParams would put a replacement character where the bytes are no UTF-8.
    decodeURIComponent(query);
  } catch {
    return null;
  }
  const pairs = [...new URLSearchParams(query)];
  const [name, prefix] = pairs[0] ?? ["prefix", ""];
  return pairs.length <= 1 && name === "prefix" ? prefix : null;
}
