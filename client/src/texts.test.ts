import { expect, test } from "vitest";
import { texts } from "./texts";

/** Words of the trade that a newcomer cannot be expected to know. */
const JARGON =
  /\b(session|frames?|ids?|sockets?|websocket|webrtc|ice|stun|turn server|sdp|peers?|epochs?|negotiat\w*|signall?ing|payload|audio path|stream|kernel|origin|http)\b(?!:)/i;

/** Every sentence, those made from a name, a number or an address included. */
function said(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "function") return said(value(3, 0));
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(said);
  return [];
}

test("all texts use words that a newcomer knows", () => {
  const all = said(texts);
  expect(all.length).toBeGreaterThan(100);
  expect(all.filter((text) => text.trim() === "")).toEqual([]);
  expect(all.filter((text) => JARGON.test(text))).toEqual([]);
});
