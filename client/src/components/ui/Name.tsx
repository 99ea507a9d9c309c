/** What people call themselves: text, and in a direction of its own. */
export function Name({ of }: { of: string }) {
  return <bdi>{of}</bdi>;
}
