/** What is remembered between visits. Nothing is, if storage is full or forbidden. */

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
    // Private windows of some browsers refuse storage. The visit goes on without it.
  }
}
