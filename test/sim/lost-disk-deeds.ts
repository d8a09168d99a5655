import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { aloneMs, Scene } from "./lost-disk-scene.js";
import { loseDisk, loseTail } from "./lost-disks.js";
import type { Seat } from "./seat.js";
import { between, leads, others, termOf } from "./stage.js";

/*
 * Deeds that stage histories in which one disk is lost, and nothing else: what was acknowledged has to stay.
 * The one in the middle promises something to the first half, loses its disk, and is left with the second.
 */

/**
 * The leader of an older term has not heard of the newer one. Somebody who has committed with the newer
 * leader loses its disk, and only the older one is left to bring it up to date.
 */
function olderLeader(scene: Scene): void {
  const { cluster, deed, leader: older, first, middle, second } = scene;
  const side = [middle, ...second];
  const alone = scene.cut(between(first, side));
  scene.write(older, { count: 6, bytes: 10 });
  const newerLeads = () => side.find(leads) ?? null;
  scene.when(newerLeads, (newer) => {
    const from = newer.standing()?.lastIndex ?? 0;
    scene.write(newer, { count: 3, bytes: 11 });
    const isDone = () => ((newer.standing()?.commitIndex ?? 0) >= from + 3 ? true : null);
    scene.when(isDone, () => {
      const victim = deed.seat % 2 === 0 ? newer : (side.find((seat) => seat !== newer) ?? newer);
      if (!loseDisk(cluster, victim)) return scene.end();
      alone();
      const kept = side.filter((seat) => seat !== victim);
      scene.cut(between(kept, [victim, ...first]));
      scene.after(20, () => victim.start());
      scene.after(500, () => scene.write(older, { count: 3, bytes: 12 }));
      scene.after(aloneMs, () => scene.end());
    });
  });
}

/**
 * The leader is cut off while it brings the emptied member up to date: that one holds some of what it had
 * confirmed. In a third of the cases it is also started again just then.
 */
function cutOffRefill(scene: Scene): void {
  const { cluster, deed, middle } = scene;
  scene.commitBehind({ count: 6, bytes: 40_000 }, ({ from, to }) => {
    if (!loseDisk(cluster, middle)) return scene.end();
    middle.start();
    const reaches = deed.amount < 0.2 ? 2 : from + Math.floor(3 * deed.amount);
    const isAmid = () => {
      const { lastIndex = 0 } = middle.standing() ?? {};
      return lastIndex >= reaches && lastIndex < to ? middle : null;
    };
    scene.when(isAmid, () => {
      scene.leaveAlone();
      if (deed.other % 3 === 0) scene.after(30, () => scene.again(middle));
    });
  });
}

/** The emptied member is started twice before it meets anybody: the second start finds files. */
function blankTwice(scene: Scene): void {
  const { cluster, deed, middle } = scene;
  scene.commitBehind({ count: 3, bytes: 13 }, () => {
    if (!loseDisk(cluster, middle)) return scene.end();
    const alone = scene.cut(between([middle], others(cluster, middle)));
    middle.start();
    scene.after(5 + 1_500 * deed.amount, () => {
      alone();
      scene.leaveAlone();
      scene.again(middle);
    });
  });
}

/**
 * The leader's disk is slow: it counts others' copies, and waits for its own. Meanwhile one of the others
 * loses its disk, and comes back before the leader's is done.
 */
function slowLeader(scene: Scene): void {
  const { cluster, leader, middle, second, first } = scene;
  scene.cut(between([middle, ...first], second));
  const index = (leader.standing()?.lastIndex ?? 0) + 1;
  leader.disk.faults.slowness = 600;
  const quick = scene.ends(() => {
    leader.disk.faults.slowness = 1;
  });
  scene.write(leader, { count: 1, bytes: 14 });
  const progress = () => leader.view()?.raft.progress.get(middle.address);
  const isConfirmed = () => ((progress()?.matchIndex ?? 0) >= index ? true : null);
  scene.when(isConfirmed, () => {
    const isCommitted = (leader.standing()?.commitIndex ?? 0) >= index;
    if (isCommitted || !loseDisk(cluster, middle)) return scene.end();
    scene.after(1, () => middle.start());
    const isBack = () => (leader.view()?.raft.connected.has(middle.address) ? true : null);
    scene.after(2, () =>
      scene.when(isBack, () => {
        scene.say(`${middle.address} is back and says nothing`);
        const heard = scene.cut([[middle, leader]]);
        scene.after(2_500, () => {
          quick();
          heard();
        });
      }),
    );
  });
}

/**
 * The disk has lost the end of the journal, which it had confirmed; the meta file tells of it. Not where a
 * dump has been written since, which may reach as far as the meta file tells: then nothing shows the loss.
 */
function olderJournal(scene: Scene): void {
  const { cluster, middle } = scene;
  const journal = middle.durable.journalBytes() ?? Buffer.alloc(0);
  const dump = middle.durable.dump();
  scene.commitBehind({ count: 3, bytes: 15 }, ({ to }) => {
    const isStored = () => (middle.durable.meta().commitIndex >= to ? true : null);
    scene.when(isStored, () => {
      if (middle.durable.dump() !== dump) return scene.end();
      if (!loseTail(cluster, middle, journal)) return scene.end();
      scene.leaveAlone();
      middle.start();
    });
  });
}

/**
 * Of five: the middle one has voted for a candidate whose request to a third is slow. It loses its disk,
 * and the leader of the term before commits with it. Then the third one votes.
 */
function countedVote(scene: Scene): void {
  const { cluster, leader, first, middle, second } = scene;
  const away = [middle, ...second];
  const alone = scene.cut(between(first, away));
  const isCandidate = (seat: Seat) =>
    seat.standing()?.role === "candidate" && termOf(seat) > termOf(leader);
  const stands = () => away.find(isCandidate) ?? null;
  scene.when(stands, (candidate) => {
    const [voter = candidate, late = candidate] = away.filter((seat) => seat !== candidate);
    const arrives = scene.cut([[candidate, late]]);
    const hasVoted = () => (candidate.view()?.raft.votes.has(voter.address) ? voter : null);
    scene.when(hasVoted, () => {
      if (!loseDisk(cluster, voter)) return scene.end();
      alone();
      scene.cut([...between(first, [candidate, late]), ...between([candidate], [voter])]);
      voter.start();
      scene.write(leader, { count: 3, bytes: 16 });
      scene.after(1_500, () => {
        scene.say(`the request of ${candidate.address} reaches ${late.address}`);
        arrives();
      });
      scene.after(aloneMs, () => scene.end());
    });
  });
}

function story(play: (scene: Scene) => void): (cluster: Cluster, deed: Deed) => void {
  return (cluster, deed) => {
    const scene = Scene.begin(cluster, deed);
    if (scene !== null) play(scene);
  };
}

/** With three the vote that is still being counted has elected somebody. */
const ofFive = story(countedVote);
const ofThree = story(olderLeader);

export const lostDiskDeeds = {
  "older-leader": story(olderLeader),
  "cut-off-refill": story(cutOffRefill),
  "blank-twice": story(blankTwice),
  "slow-leader": story(slowLeader),
  "older-journal": story(olderJournal),
  "counted-vote": (cluster: Cluster, deed: Deed) =>
    cluster.size === 5 ? ofFive(cluster, deed) : ofThree(cluster, deed),
};
