import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// The server to talk to while `npm run dev` serves the pages.
const server = process.env.VOICEBOT_URL ?? "http://127.0.0.1:8000";

const TEXT = new Set([".css", ".html", ".js", ".svg"]);

/** Writes each text file of the build as brotli and gzip, too, for the server to choose from.
 * Vite empties the folder first, so none is left of an earlier build. */
function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: ({ root, build }) => {
      folder = resolve(root, build.outDir);
    },
    async closeBundle() {
      for (const name of await readdir(folder, { recursive: true })) {
        if (!TEXT.has(extname(name))) continue;
        const path = join(folder, name);
        const content = await readFile(path);
        await writeFile(`${path}.br`, await promisify(brotliCompress)(content));
        await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [react(), compressed()],
  build: {
    outDir: "../voicebot/server/static",
    emptyOutDir: true,
    target: "es2022",
    // The preload helper is only needed for split chunks; without it no script is inlined.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // Whatever is only read, and then not used, is left out.
    rolldownOptions: { treeshake: { propertyReadSideEffects: false } },
  },
  server: {
    proxy: {
      // Said as a string, Vite would change the Host, which the server compares with the Origin.
      "/api": { target: server },
      "/ws": { target: server, ws: true },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // A busy machine is no failure; nothing here waits for real time.
    testTimeout: 30_000,
    setupFiles: ["src/testing/setup.ts"],
  },
});
