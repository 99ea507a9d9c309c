// Writes src/protocol/messages.ts from src/protocol/schema.json (`npm run generate`).
// With `--check` it writes nothing and fails when the file is not what the schema says.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const here = (path) => fileURLToPath(new URL(`../src/protocol/${path}`, import.meta.url));

/** Drop the titles of properties (each would become a type alias) and the Python defaults. */
function bare(node, inProperties = false) {
  if (Array.isArray(node)) return node.map((item) => bare(item));
  if (node === null || typeof node !== "object") return node;
  const entries = Object.entries(node)
    .filter(([key, value]) => inProperties || !(key === "title" && typeof value === "string"))
    .filter(
      ([key]) =>
        inProperties || !["discriminator", "default", "maxItems", "maxProperties"].includes(key),
    )
    .map(([key, value]) => [key, bare(value, key === "properties" || key === "$defs")]);
  return Object.fromEntries(entries);
}

export async function generate() {
  const schema = JSON.parse(await readFile(here("schema.json"), "utf8"));
  const $defs = bare(schema.$defs, true);
  for (const definition of Object.values($defs)) {
    // The discriminator is always on the wire, though Python fills it in by default.
    if (definition.properties?.type?.const) {
      definition.required = [...new Set([...(definition.required ?? []), "type"])];
    }
  }
  const root = {
    title: "Wire",
    type: "object",
    additionalProperties: false,
    required: ["client", "server"],
    properties: {
      client: { $ref: "#/$defs/ClientMessage" },
      server: { $ref: "#/$defs/ServerMessage" },
    },
    $defs,
  };
  return compile(root, "Wire", {
    additionalProperties: false,
    bannerComment: "// Generated from schema.json by `npm run generate`; do not edit.",
    style: { printWidth: 100 },
  });
}

const text = await generate();
if (process.argv.includes("--check")) {
  const stored = await readFile(here("messages.ts"), "utf8").catch(() => "");
  if (stored !== text) {
    console.error("src/protocol/messages.ts is not what schema.json says: run `npm run generate`.");
    process.exit(1);
  }
} else {
  await writeFile(here("messages.ts"), text);
}
