import { execFileSync } from "node:child_process";
import Ajv from "ajv/dist/2020";
import { expect, test } from "vitest";
import golden from "../../../tests/golden/messages.json";
import schema from "./schema.json";

interface Golden {
  direction: "client" | "server";
  valid: boolean;
  message: unknown;
  why: string;
}

// `default` and `description` are for people; strict mode would only complain of them.
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(schema, "protocol");
const judge = {
  client: ajv.compile({ $ref: "protocol#/$defs/ClientMessage" }),
  server: ajv.compile({ $ref: "protocol#/$defs/ServerMessage" }),
};

test.each(golden as Golden[])("$direction $valid: $why", ({ direction, valid, message }) => {
  expect(judge[direction](message)).toBe(valid);
});

test("the golden messages of both directions include valid and invalid ones", () => {
  const kinds = new Set((golden as Golden[]).map((one) => `${one.direction} ${one.valid}`));
  expect(kinds.size).toBe(4);
});

test("the TypeScript types match the schema", () => {
  execFileSync(process.execPath, ["scripts/generate.mjs", "--check"], { cwd: "." });
});
