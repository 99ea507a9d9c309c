import { browserName } from "./browser";
import type { DeviceKind } from "./rtc/devices";
import type { DeviceProblemKind } from "./rtc/problems";
import { texts } from "./texts";

/** Why a device cannot be used, and what to do about it in this browser. */
export function deviceWords(
  kind: DeviceKind,
  problem: DeviceProblemKind,
): { title: string; hint: string } {
  const { titles, cameraTitles, denied, hints } = texts.devices;
  return {
    title: (kind === "microphone" ? titles : cameraTitles)[problem],
    hint: problem === "denied" ? denied[browserName()] : hints[problem],
  };
}
