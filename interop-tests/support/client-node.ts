import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { ObserverClient } from "../../src/client/observer-client.js";
import type { WriteOutcome } from "../../src/node/write-outcome.js";
import { toJson } from "../../src/store/json-view.js";
import type { KvData, KvRecord } from "./kv-data.js";
import type { Conditions, SetOptions } from "./vanilla-client.js";
import type { OwnRecord, WritingClient } from "./writing-client.js";

/** Our own observer client with the methods of VanillaNode, so that both can be compared. */
export class ClientNode implements WritingClient {
  readonly name = "ObserverClient";
  readonly client: ObserverClient;

  constructor(client: ObserverClient) {
    this.client = client;
  }

  async set(key: string, value: string, options: SetOptions = {}): Promise<KvRecord | false> {
    const outcome = await this.client.set(key, value, options);
    return outcome.ok && (outcome.result as KvRecord | false);
  }

  async delete(
    key: string,
    options: Conditions & { readonly recursive?: boolean } = {},
  ): Promise<boolean> {
    const outcome = await this.client.delete(key, options);
    return outcome.ok && outcome.result;
  }

  async get(key: string): Promise<KvRecord | null> {
    return this.client.get(key) as KvRecord | null;
  }

  async setOnce(key: string, record: OwnRecord): Promise<number | null> {
    const outcome = await this.client.submit(encodeSet(key, record));
    return outcome.ok ? outcome.index : null;
  }

  async raw(
    name: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>> = {},
  ): Promise<{ readonly result: unknown; readonly error: number }> {
    return answer(await this.client.submit(commandOf(name, args, kwargs)));
  }

  async data(): Promise<KvData> {
    const entries = Object.fromEntries(this.client.list()) as unknown as KvData["entries"];
    return { appliedIndex: this.client.status().appliedIndex, entries };
  }
}

function commandOf(
  name: string,
  [key, record]: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): Uint8Array {
  const value = record as OwnRecord;
  switch (name) {
    case "_set":
      return encodeSet(String(key), value, kwargs);
    case "_delete":
      return encodeDelete(String(key), kwargs);
    case "_expire": {
      const dict = new Map<PyValue, PyValue>([
        ["value", value.value],
        ["created", new PyFloat(value.created)],
        ["updated", new PyFloat(value.updated)],
      ]);
      return encodeExpire(String(key), dict);
    }
    default:
      throw new Error(`no call ${name}`);
  }
}

function answer(outcome: WriteOutcome): { readonly result: unknown; readonly error: number } {
  if (!outcome.ok) return { result: null, error: outcome.error };
  const { result } = outcome;
  return { result: result instanceof Map ? toJson(result) : result, error: failReason.success };
}
