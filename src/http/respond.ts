import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** On every answer: nothing here is a page, and nothing may be kept or embedded. */
export const commonHeaders: OutgoingHttpHeaders = {
  "Content-Type": "application/json; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/** One request with its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: OutgoingHttpHeaders;
}

/** No route takes one. */
export function bringsBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
}

export function sendJson({ request, response }: Exchange, answer: Answer): void {
  const text = `${JSON.stringify(answer.body)}\n`;
  response.writeHead(answer.status, {
    ...commonHeaders,
    "Content-Length": Buffer.byteLength(text),
    ...answer.headers,
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

export function problem(
  status: number,
  error: string,
  message: string,
  headers: OutgoingHttpHeaders = {},
): Answer {
  return { status, body: { error, message }, headers };
}
