import { expect, test } from "vitest";
import { hueOf, initials } from "./names";

test.each([
  ["Ada Lovelace", "AL"],
  ["Grace Brewster Murray Hopper", "GH"],
  ["ada", "A"],
  ["王小明", "王"],
  ["👩🏽‍🔬 Zoë", "👩🏽‍🔬Z"],
  ["   ", "?"],
])("the initials of %j are %j", (name, letters) => {
  expect(initials(name)).toBe(letters);
});

test("an id always has the same hue", () => {
  expect(hueOf("p-1")).toBe(hueOf("p-1"));
  expect(hueOf("p-1")).not.toBe(hueOf("p-2"));
  expect(hueOf("p-1")).toBeLessThan(360);
});
