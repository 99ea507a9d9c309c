import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server to talk to while `npm run dev` serves the pages.
const server = process.env.VOICEBOT_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  plugins: [react()],
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
