/** What has to hold of a key for it to be written, by Patroni's names. */
export interface Conditions {
  readonly prevExist?: boolean;
  readonly prevValue?: string;
  readonly prevIndex?: number;
}

/**
 * Whether they hold of what an observer's own copy has under the key, a moment before a write. At the
 * write itself the cluster judges.
 *
 * @param found Null: there is no such key.
 */
export function holdNow(
  found: { readonly value: unknown; readonly index: unknown } | null,
  { prevExist, prevValue, prevIndex }: Conditions,
): boolean {
  if (prevExist !== undefined && prevExist !== (found !== null)) return false;
  if (prevValue !== undefined && found?.value !== prevValue) return false;
  return prevIndex === undefined || found?.index === prevIndex;
}
