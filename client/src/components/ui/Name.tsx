/** A name that people chose: plain text with a direction of its own. */
export function Name({ of }: { of: string }) {
  return <bdi>{of}</bdi>;
}
