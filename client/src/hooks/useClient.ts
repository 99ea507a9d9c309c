import { use } from "react";
import type { Client } from "../session/client";
import { ClientContext } from "./ClientContext";

/** The client of this page. */
export function useClient(): Client {
  const client = use(ClientContext);
  if (!client) throw new Error("useClient needs a ClientContext above it");
  return client;
}
