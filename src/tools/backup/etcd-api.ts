/** etcd's HTTP/JSON API (`/v3/…`, etcd 3.4 and newer), as much as a restore needs. */

/** etcd refuses, or cannot be reached. */
export class EtcdError extends Error {
  /** Whether a write may have been done all the same. */
  readonly mayBeDone: boolean;

  constructor(message: string, options: ErrorOptions & { readonly mayBeDone: boolean }) {
    super(message, options);
    this.name = "EtcdError";
    this.mayBeDone = options.mayBeDone;
  }
}

type Json = Readonly<Record<string, unknown>>;

export class EtcdApi {
  readonly #base: string;
  readonly #timeoutMs: number;

  private constructor(base: string, timeoutMs: number) {
    this.#base = base;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The first of these that answers.
   *
   * @param urls `http://host:port` each.
   * @param timeoutMs For each request.
   * @throws EtcdError where none answers, or it is older than 3.4.
   */
  static async connect(urls: readonly string[], timeoutMs: number): Promise<EtcdApi> {
    const faults: string[] = [];
    for (const url of urls) {
      const api = new EtcdApi(url.replace(/\/+$/, ""), timeoutMs);
      try {
        const { etcdserver } = await api.#request("GET", "/version", null);
        const [major = 0, minor = 0] = String(etcdserver).split(".").map(Number);
        if (major === 3 && minor >= 4) return api;
        faults.push(`${url} is etcd ${String(etcdserver)}, and 3.4 or newer is needed`);
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
      }
    }
    throw new EtcdError(faults.join("; "), { mayBeDone: false });
  }

  /** The value and the revision of a key; null where there is none. */
  async get(key: string): Promise<{ readonly value: string; readonly revision: string } | null> {
    const { kvs } = await this.#post("/v3/kv/range", { key: base64(key) });
    const first: unknown = Array.isArray(kvs) ? kvs[0] : undefined;
    if (typeof first !== "object" || first === null) return null;
    // An empty value is left out of the answer.
    const value = Buffer.from(String(Reflect.get(first, "value") ?? ""), "base64").toString();
    return { value, revision: String(Reflect.get(first, "mod_revision")) };
  }

  async holdsAny(prefix: string): Promise<boolean> {
    const range = { ...prefixRange(prefix), limit: "1", keys_only: true };
    const { kvs } = await this.#post("/v3/kv/range", range);
    return Array.isArray(kvs) && kvs.length > 0;
  }

  /** @returns the lease's id. */
  async grantLease(ttlSec: number): Promise<string> {
    const { ID } = await this.#post("/v3/lease/grant", { TTL: String(ttlSec), ID: "0" });
    return String(ID);
  }

  async revokeLease(id: string): Promise<void> {
    await this.#post("/v3/lease/revoke", { ID: id });
  }

  /** @returns false where a comparison does not hold. */
  async putWhere(compare: readonly Json[], put: Json): Promise<boolean> {
    const body = { compare, success: [{ request_put: put }] };
    const { succeeded } = await this.#post("/v3/kv/txn", body);
    return succeeded === true;
  }

  #post(path: string, body: Json): Promise<Json> {
    return this.#request("POST", path, JSON.stringify(body));
  }

  async #request(method: string, path: string, body: string | null): Promise<Json> {
    const url = `${this.#base}${path}`;
    let answer: Response;
    let text: string;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const headers = { "content-type": "application/json" };
      answer = await fetch(url, { method, body, signal, headers });
      text = await answer.text();
    } catch (error) {
      const message = `${url}: ${reasonOf(error)}`;
      throw new EtcdError(message, { mayBeDone: method === "POST", cause: error });
    }
    const json = parse(text);
    if (answer.ok && json !== null) return json;
    const said = json?.["message"] ?? json?.["error"] ?? text.slice(0, 200);
    // etcd answers 5xx for what timed out on its side: that may come to be done.
    const mayBeDone = answer.status >= 500 && method === "POST";
    throw new EtcdError(`${url}: ${answer.status} ${String(said)}`, { mayBeDone });
  }
}

export function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

/** As etcd's clients ask for a prefix: up to the first key that does not begin with it. */
function prefixRange(prefix: string): Json {
  const all = Buffer.of(0).toString("base64");
  if (prefix === "") return { key: all, range_end: all };
  const end = Buffer.from(prefix, "utf8");
  // No byte of UTF-8 is 0xff.
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key: base64(prefix), range_end: end.toString("base64") };
}

function parse(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch says no more than "fetch failed"; the cause knows.
  return error.cause instanceof Error && error.cause.message !== ""
    ? error.cause.message
    : error.message;
}
