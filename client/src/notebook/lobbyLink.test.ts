import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** The notebook's link and frame are plain modules of the Python package; they are run here because
 * here is a document. */
const WIDGETS = join(import.meta.dirname, "../../../voicebot/workbench/panes/static");
const source = ["feed.js", "lobby_link.js"]
  .map((name) => readFileSync(join(WIDGETS, name), "utf8"))
  .join("\n");
const { default: widget } = (await import(
  /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`
)) as { default: { render: (context: { model: unknown; el: HTMLElement }) => () => void } };

function draw(page: string, url: string, isPublic = false) {
  (window as unknown as { happyDOM: { setURL: (url: string) => void } }).happyDOM.setURL(page);
  const values: Record<string, unknown> = {
    url,
    public: isPublic,
    shown: true,
    height: 640,
    running: true,
  };
  const model = { get: (name: string) => values[name], on: () => {}, off: () => {} };
  const el = document.createElement("div");
  widget.render({ model, el });
  return {
    link: el.querySelector("a")?.href,
    frame: el.querySelector("iframe")?.getAttribute("src"),
  };
}

const LOCAL = "http://localhost:8000/?lobby=demo";

test.each([
  ["http://localhost:8888/lab", LOCAL, LOCAL],
  ["http://127.0.0.1:8888/lab", LOCAL, "http://127.0.0.1:8000/?lobby=demo"],
  ["http://localhost:8888/lab", "http://127.0.0.1:8000/?lobby=demo", LOCAL],
  ["vscode-webview://abc/index.html", LOCAL, LOCAL],
])("a frame on %s is of the same site as the page", (page, url, framed) => {
  expect(draw(page, url)).toEqual({ link: url, frame: `${framed}&embed=1` });
});

test("from another machine, link and frame go through Jupyter's proxy", () => {
  const href = "https://hub.example/proxy/8000/?lobby=demo";
  expect(draw("https://hub.example/user/ada/lab", LOCAL)).toEqual({
    link: href,
    frame: `${href}&embed=1`,
  });
});

test("a public address stays as it is", () => {
  const href = "https://voice.example/?lobby=demo";
  expect(draw("http://127.0.0.1:8888/lab", href, true)).toEqual({
    link: href,
    frame: `${href}&embed=1`,
  });
});
