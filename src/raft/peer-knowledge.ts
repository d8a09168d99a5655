import type { PeerStatus } from "./types.js";

/** What we have learnt of a peer, from its own words. */
export class PeerKnowledge {
  /** Its last index and last term as it has shown them on the present link; 0 where it has not. */
  lastIndex = 0;
  lastTerm = 0;
  /** Highest term that it has shown on the present link; 0 where none. */
  term = 0;
  /** Highest term that it has shown on earlier links. */
  earlierTerm = 0;
  /** The term in which it last asked for our vote on the present link; 0 where it did not. */
  voteAskedTerm = 0;
  /** The term that the last beacon on the present link told it; 0 where none did. */
  beaconTerm = 0;
  isQuorate = false;
  /** Its vote says nothing about its log: see forgetful-voters.ts. */
  isForgetful = false;
  /** Latest answer to a status question that was asked on the present link. */
  status: PeerStatus | null = null;
  /** Status questions up to this number were asked before the present link. */
  questionBefore = 0;
  /** When it was last asked for its term, or for the members: see `askFor`. */
  askedMs = Number.NEGATIVE_INFINITY;

  /**
   * A new link: what it said on an earlier one may be gone with a restart.
   *
   * @param question Number of the latest status question.
   */
  linkOpened(question: number): void {
    this.questionBefore = question;
    this.earlierTerm = Math.max(this.earlierTerm, this.term);
    this.lastIndex = 0;
    this.lastTerm = 0;
    this.term = 0;
    this.voteAskedTerm = 0;
    this.beaconTerm = 0;
    this.isQuorate = false;
    this.status = null;
  }
}
