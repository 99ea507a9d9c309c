/** What is remembered between visits. Storage may be full or forbidden; then nothing is. */

export type Remembered = "name" | "microphone" | "camera";

const key = (what: Remembered) => `voicebot.${what}`;

export function recall(what: Remembered): string {
  try {
    return localStorage.getItem(key(what)) ?? "";
  } catch {
    return "";
  }
}

export function remember(what: Remembered, value: string): void {
  try {
    localStorage.setItem(key(what), value);
  } catch {
    // Private windows of some browsers refuse; the visit goes on without.
  }
}
