/** What the address of the page asks for. */
export interface Options {
  /** The lobby to join; null shows the start page. */
  lobby: string | null;
  /** A name to suggest. */
  name: string;
  /** Only candidates of a TURN relay are used. */
  relay: boolean;
  /** Compact layout for a frame in a notebook. */
  embed: boolean;
}

const LOBBY_ID = /^[A-Za-z0-9_.:-]{1,64}$/;

/** What the server accepts: 3 to 40 lowercase letters and digits, with single hyphens inside. */
const SLUG = /^[a-z0-9](-?[a-z0-9]){2,39}$/;

/** The address for a lobby in what a person wrote ("Tea Room" is tea-room); null if there is none. */
export function slugOf(text: string): string | null {
  const slug = text
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, "-");
  return SLUG.test(slug) && slug.length <= 40 ? slug : null;
}

export function readOptions(search: string): Options {
  const query = new URLSearchParams(search);
  return {
    lobby: lobbyIdOf(query.get("lobby") ?? ""),
    name: (query.get("name") ?? "").trim().slice(0, 160),
    relay: isOn(query.get("relay")),
    embed: isOn(query.get("embed")),
  };
}

function isOn(value: string | null): boolean {
  return value !== null && value !== "0" && value !== "false";
}

/** The lobby id in what a person pasted: an id, or a link with `?lobby=`. Null if neither. */
export function lobbyIdOf(text: string): string | null {
  const trimmed = text.trim();
  const id = /[?&]lobby=([^&#]+)/.exec(trimmed)?.[1] ?? trimmed;
  try {
    const decoded = decodeURIComponent(id);
    return LOBBY_ID.test(decoded) ? decoded : null;
  } catch {
    return null;
  }
}

/** The address of a lobby, relative to the page, so that it works behind a proxy's path. */
export function lobbyUrl(id: string, page: string): string {
  const url = new URL(page);
  url.search = "";
  url.hash = "";
  url.searchParams.set("lobby", id);
  return url.href;
}
