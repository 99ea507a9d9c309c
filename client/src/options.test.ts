import { expect, test } from "vitest";
import { lobbyIdOf, lobbyUrl, readOptions } from "./options";

test("reads what the address asks for", () => {
  expect(readOptions("?lobby=demo&name=%20Ada%20&relay=1&embed")).toEqual({
    lobby: "demo",
    name: "Ada",
    relay: true,
    embed: true,
  });
  expect(readOptions("")).toEqual({ lobby: null, name: "", relay: false, embed: false });
  expect(readOptions("?relay=0&embed=false")).toMatchObject({ relay: false, embed: false });
});

test.each([
  ["demo", "demo"],
  ["  demo ", "demo"],
  ["https://a.example/x/?lobby=Ab_9-&name=Ada", "Ab_9-"],
  ["/?name=Ada&lobby=demo#top", "demo"],
  ["two words", null],
  ["", null],
  ["?lobby=%E0%A4%A", null],
  ["x".repeat(65), null],
])("the lobby of %j is %j", (text, id) => {
  expect(lobbyIdOf(text)).toBe(id);
});

test("a lobby's link keeps the path of a proxy and nothing else", () => {
  const page = "https://hub.example/user/ada/proxy/8000/?lobby=old&relay=1#x";
  expect(lobbyUrl("new", page)).toBe("https://hub.example/user/ada/proxy/8000/?lobby=new");
});
