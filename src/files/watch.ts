/** How a long reading is watched, and stopped. */
export interface Watch {
  readonly signal?: AbortSignal;
  /** Called with the number of bytes that were read since the last call. */
  readonly onRead?: (bytes: number) => void;
}
