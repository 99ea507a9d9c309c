import { useClient } from "../../hooks/useClient";
import { useMediaElement } from "../../hooks/useMediaElement";
import { useSession } from "../../hooks/useSession";
import { Avatar } from "../ui/Avatar";

/** How others will see us: the camera's picture, or the initials. */
export function CameraPreview({ name }: { name: string }) {
  const client = useClient();
  const on = useSession((state) => state.camera.status === "on");
  const video = useMediaElement<HTMLVideoElement>(on ? client.camera : null);
  return (
    <div className="preview">
      {on ? (
        <video ref={video} className="mirrored" muted playsInline />
      ) : (
        <Avatar id="self" name={name} />
      )}
    </div>
  );
}
