/** What may happen in an event of a random run, each with its probability. */
export type Deeds = readonly (readonly [probability: number, deed: () => void])[];

/** Does one of the deeds, or none where the probabilities leave room. */
export function perhaps(random: () => number, deeds: Deeds): void {
  let roll = random();
  for (const [probability, deed] of deeds) {
    if (roll < probability) {
      deed();
      return;
    }
    roll -= probability;
  }
}
