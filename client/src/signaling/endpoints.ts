/** Where the server is: always relative to the page, so that any proxy's path works. */

export interface LobbySummary {
  id: string;
  name: string;
}

export function socketUrl(base: string = document.baseURI): string {
  const url = new URL("ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  url.hash = "";
  return url.href;
}

/** Make sure that there is a session cookie. Rejects only when the server cannot be reached. */
export async function ensureSession(base: string = document.baseURI): Promise<void> {
  await fetch(new URL("api/session", base), { method: "POST", credentials: "same-origin" });
}

/** What may be known of a lobby before joining it; null when it is missing or closed to us. */
export async function lookUpLobby(
  id: string,
  base: string = document.baseURI,
): Promise<LobbySummary | null> {
  const url = new URL(`api/lobbies/${encodeURIComponent(id)}`, base);
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) return null;
  const body: unknown = await response.json();
  if (typeof body !== "object" || body === null) return null;
  const found = "lobby" in body ? (body.lobby as object) : body;
  if (!("name" in found) || typeof found.name !== "string") return null;
  return { id, name: found.name };
}
