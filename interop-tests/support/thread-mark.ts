/** No such file: the thread that writes batches tries to open it first, so that a trace says which one it is. */
export const threadMark = "/nothing/the-thread-that-writes-batches";
