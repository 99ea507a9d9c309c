import { hueOf, initials } from "../../names";

interface AvatarProps {
  id: string;
  name: string;
  portrait?: string;
}

/** A portrait, or the initials on a colour of their own. */
export function Avatar({ id, name, portrait = "" }: AvatarProps) {
  // Only drawings that contain everything: nothing is fetched for a portrait.
  const safe = portrait.startsWith("data:image/svg+xml");
  return (
    <span className="avatar" style={{ "--hue": hueOf(id) }} aria-hidden="true">
      {safe ? <img src={portrait} alt="" draggable={false} /> : initials(name)}
    </span>
  );
}
