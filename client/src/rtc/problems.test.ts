import { expect, test } from "vitest";
import { browserName, systemName } from "../browser";
import { texts } from "../texts";
import { type DeviceProblemKind, deviceProblem } from "./problems";

const named = (name: string, message = "no") => new DOMException(message, name);
const lacks = (constraint: string) => Object.assign(named("OverconstrainedError"), { constraint });

test.each<[unknown, boolean, DeviceProblemKind]>([
  [lacks("deviceId"), false, "missing"],
  [lacks("frameRate"), false, "unfit"],
  [named("NotAllowedError", "Permission dismissed"), false, "dismissed"],
  [named("NotAllowedError", "Permission denied by system"), true, "denied-by-system"],
  [named("NotAllowedError"), false, "denied"],
  [named("NotAllowedError"), true, "blocked-by-frame"],
  [named("NotFoundError"), false, "missing"],
  [named("OverconstrainedError"), false, "missing"],
  [named("NotReadableError"), false, "busy"],
  [new Error("?"), false, "unknown"],
  ["?", false, "unknown"],
])("%s in a frame (%s) is %s", (error, framed, kind) => {
  const problem = deviceProblem(error, framed);
  expect(problem.kind).toBe(kind);
  expect(texts.devices.titles[kind]).toBeTruthy();
});

test.each<[PermissionState | null, DeviceProblemKind]>([
  ["prompt", "dismissed"],
  ["denied", "denied"],
  ["granted", "denied-by-system"],
  [null, "denied"],
])("a refusal where the browser's permission is %s is %s", (permission, kind) => {
  expect(deviceProblem(named("NotAllowedError"), false, permission).kind).toBe(kind);
});

test.each([
  ["Mozilla/5.0 (Linux; Android 16; Pixel 10) Chrome/156.0.0.0 Mobile Safari/537.36", "android"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Safari/604.1", "ios"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/26.0 Safari/605.1.15", "mac"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/156.0.0.0 Safari/537.36", "windows"],
  ["Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36", "other"],
])("%s runs on %s", (agent, name) => {
  expect(systemName(agent)).toBe(name);
});

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "firefox"],
  ["Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15", "safari"],
  ["Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36", "chrome"],
  ["Lynx", "other"],
])("%s is %s", (agent, name) => {
  expect(browserName(agent)).toBe(name);
});
