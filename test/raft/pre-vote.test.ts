import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { SimCluster } from "./sim-cluster.js";

const terms = (...list: number[]): Entry[] =>
  list.map((term, i) => ({ index: i + 1, term, command: Uint8Array.of(1) }));

/** Of three members one is away; who has the higher term has the older log. */
test("a newer log at a lower term is elected: the pre-vote's refusal tells it the term", () => {
  const cluster = new SimCluster({ seed: 1, members: ["a:1", "b:1", "c:1"] });
  for (const id of ["a:1", "b:1", "c:1"]) cluster.crash(id);
  const [a, b] = [cluster.member("a:1").disk, cluster.member("b:1").disk];
  Object.assign(a, { term: 15, votedFor: null, commitIndex: 7 });
  Object.assign(b, { term: 5, votedFor: null, commitIndex: 6 });
  a.entries = terms(0, 1, 1, 2, 2, 3, 3);
  b.entries = terms(0, 1, 1, 2, 2, 3, 3, 4);
  cluster.start("a:1");
  cluster.start("b:1");
  cluster.calm(10_000);
  assert.equal(cluster.leader(), "b:1");
});
