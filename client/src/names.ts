/** The first letters of up to two words, as people would write them (graphemes, not code units). */
export function initials(name: string): string {
  const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  const first = (word: string) => segmenter.segment(word)[Symbol.iterator]().next().value?.segment;
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  const result = letters.map((word) => first(word ?? "") ?? "").join("");
  return result.toLocaleUpperCase() || "?";
}

/** A hue in degrees that belongs to an id. */
export function hueOf(id: string): number {
  let hash = 2166136261;
  for (let index = 0; index < id.length; index++) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 16777619);
  }
  return (hash >>> 0) % 360;
}
