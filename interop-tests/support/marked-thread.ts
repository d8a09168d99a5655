import { markThread } from "./thread-mark.js";

/* Loaded into the thread that writes batches, before its own program: see eager-thread.ts. */

markThread();
