import { browserName, systemName } from "./browser";
import type { DeviceKind } from "./rtc/devices";
import type { DeviceProblemKind } from "./rtc/problems";
import { texts } from "./texts";

/** Why a device cannot be used, and what to do about it in this browser on this system. */
export function deviceProblemText(
  kind: DeviceKind,
  problem: DeviceProblemKind,
): { title: string; hint: string } {
  const { titles, cameraTitles } = texts.devices;
  return {
    title: (kind === "microphone" ? titles : cameraTitles)[problem],
    hint: hintFor(problem),
  };
}

function hintFor(problem: DeviceProblemKind): string {
  const { denied, deniedOn, deniedBySystem, hints } = texts.devices;
  const system = systemName();
  if (problem === "denied-by-system") return deniedBySystem[system];
  if (problem !== "denied") return hints[problem];
  return system === "android" || system === "ios" ? deniedOn[system] : denied[browserName()];
}
