import { texts } from "../../texts";

/** The ways into a lobby, as they are offered. */
export const DOORS = (["private", "open"] as const).map((value) => ({
  value,
  ...texts.start.doors[value],
}));
