import { texts } from "../../texts";

/** The choices of who can come in. */
export const DOORS = (["private", "open"] as const).map((value) => ({
  value,
  ...texts.start.doors[value],
}));
