import type { ErrorData } from "../protocol/messages";

/** A server that accepts and stays silent is as dead as one that does not answer. */
const PATIENCE_MS = 10_000;

export interface LobbySummary {
  id: string;
  name: string;
  /** A host must let us in first. */
  knock: boolean;
}

/** Always relative to the page, so that any proxy's path works. */
export function socketUrl(base: string = document.baseURI): string {
  const url = new URL("ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  url.hash = "";
  return url.href;
}

/** The server's word for a page that was opened by an address it does not know. */
export const WRONG_ORIGIN = "origin";

/** The server answered and will not have this page; trying again cannot help. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`the server refused this page: ${code}`);
    this.name = "Refusal";
    this.code = code;
  }
}

/** Make sure that there is a session cookie.
 *
 * Throws Refusal when this page's origin is not allowed; rejects with fetch's own error when the
 * server cannot be reached, or does not answer in time. */
export async function ensureSession(base: string = document.baseURI): Promise<void> {
  const url = new URL("api/session", base);
  const response = await ask(url, "POST");
  if (response.status === 403 || response.status === 421) {
    const body = (await response.json().catch(() => null)) as { error?: ErrorData } | null;
    throw new Refusal(body?.error?.code ?? "forbidden");
  }
  // A proxy in between may answer 502 while the server starts.
  // 429 asks to wait.
  if (response.status >= 500 || response.status === 429)
    throw new Error(`the server answered ${response.status}`);
}

function ask(url: URL, method = "GET"): Promise<Response> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return fetch(url, { method, credentials: "same-origin", signal });
}

/** What may be known of a lobby before joining it; "missing" when it is not there or closed to
 * us, null when the server does not say. */
export async function lookUpLobby(
  id: string,
  base: string = document.baseURI,
): Promise<LobbySummary | "missing" | null> {
  await ensureSession(base);
  const url = new URL(`api/lobbies/${encodeURIComponent(id)}`, base);
  const response = await ask(url);
  if (response.status === 404) return "missing";
  if (!response.ok) return null;
  const body: unknown = await response.json();
  if (typeof body !== "object" || body === null) return null;
  const found = "lobby" in body ? (body.lobby as object) : body;
  if (!("name" in found) || typeof found.name !== "string") return null;
  return { id, name: found.name, knock: "knock" in body && body.knock === true };
}

/** End a lobby for everyone in it. Resolves to the error when the server refuses; rejects with
 * fetch's own when it cannot be reached. */
export async function destroyLobby(
  id: string,
  base: string = document.baseURI,
): Promise<ErrorData | null> {
  const response = await ask(new URL(`api/lobbies/${encodeURIComponent(id)}`, base), "DELETE");
  if (response.ok) return null;
  const body = (await response.json().catch(() => null)) as { error?: ErrorData } | null;
  return body?.error ?? { code: "internal", message: `The server answered ${response.status}.` };
}
