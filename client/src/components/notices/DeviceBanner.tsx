import { MicOff, VideoOff, X } from "lucide-react";
import { deviceProblemText } from "../../deviceProblemText";
import { useClient } from "../../hooks/useClient";
import { controlId, useFocusRescue } from "../../hooks/useFocusReturn";
import { useSession } from "../../hooks/useSession";
import type { DeviceKind } from "../../rtc/devices";
import type { DeviceProblemKind } from "../../rtc/problems";
import { texts } from "../../texts";
import { DeviceActions } from "../devices/DeviceActions";
import { Button } from "../ui/Button";

/** In the lobby: why a device did not open. Stays until the person dismisses it or the problem is gone. */
export function DeviceBanner({ kind }: { kind: DeviceKind }) {
  const { problem, unread } = useSession((state) => state[kind]);
  return problem && unread ? <Problem kind={kind} problem={problem} /> : null;
}

function Problem({ kind, problem }: { kind: DeviceKind; problem: DeviceProblemKind }) {
  const client = useClient();
  const banner = useFocusRescue<HTMLDivElement>(controlId(kind));
  const { title, hint } = deviceProblemText(kind, problem);
  return (
    <div
      ref={banner}
      className="banner warn"
      role="alert"
      data-testid={`${kind}-banner`}
      data-problem={problem}
    >
      {kind === "microphone" ? <MicOff aria-hidden="true" /> : <VideoOff aria-hidden="true" />}
      <p>
        <strong>{title}.</strong> {hint} {kind === "microphone" && texts.devices.listening}
      </p>
      <div className="banner-actions">
        <DeviceActions kind={kind} problem={problem} />
      </div>
      <Button
        look="quiet"
        className="icon"
        aria-label={texts.dismiss}
        onPress={() => client.problemRead(kind)}
      >
        <X aria-hidden="true" />
      </Button>
    </div>
  );
}
