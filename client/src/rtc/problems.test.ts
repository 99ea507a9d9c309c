import { expect, test } from "vitest";
import { browserName } from "../browser";
import { texts } from "../texts";
import { type DeviceProblemKind, deviceProblem } from "./problems";

const named = (name: string) => new DOMException("no", name);

test.each<[unknown, boolean, DeviceProblemKind]>([
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

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "firefox"],
  ["Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15", "safari"],
  ["Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36", "chrome"],
  ["Lynx", "other"],
])("%s is %s", (agent, name) => {
  expect(browserName(agent)).toBe(name);
});
