import { MessageSquareText, Mic, MicOff, PhoneOff, Video, VideoOff } from "lucide-react";
import { useClient } from "../../hooks/useClient";
import { controlId } from "../../hooks/useFocusReturn";
import { useSession } from "../../hooks/useSession";
import { mayChangeAgents } from "../../session/state";
import { texts } from "../../texts";
import { AddAgentDialog } from "../agents/AddAgentDialog";
import { DevicesDialog } from "../devices/DevicesDialog";
import { Button } from "../ui/Button";
import { ConnectionBadge } from "./ConnectionBadge";
import { ControlLabel } from "./ControlLabel";

interface ControlBarProps {
  conversation: boolean;
  onConversation: () => void;
}

export function ControlBar({ conversation, onConversation }: ControlBarProps) {
  const client = useClient();
  const microphone = useSession((state) => state.microphone);
  const camera = useSession((state) => state.camera);
  const muted = useSession((state) => state.muted);
  const agents = useSession(mayChangeAgents);
  const { lobby } = texts;
  const hasMicrophone = microphone.status === "on";
  const silent = muted || !hasMicrophone;
  const filming = camera.status === "on";

  const pressMute = () => {
    if (hasMicrophone) client.setMuted(!muted);
    else void client.openDevice("microphone");
  };

  const muteLabel = !hasMicrophone ? lobby.listenOnly : muted ? lobby.unmute : lobby.mute;

  return (
    <section className="controls" aria-label={lobby.controls}>
      {client.options.embed && <ConnectionBadge />}
      <Button
        id={controlId("microphone")}
        className="control"
        data-off={silent}
        data-testid="mute-button"
        data-muted={silent}
        onPress={pressMute}
      >
        {silent ? <MicOff aria-hidden="true" /> : <Mic aria-hidden="true" />}
        <ControlLabel long={muteLabel} short={muteLabel} />
      </Button>
      <Button
        id={controlId("camera")}
        className="control"
        data-off={!filming}
        data-testid="camera-button"
        data-on={filming}
        busy={camera.status === "asking"}
        onPress={() => void (filming ? client.closeCamera() : client.openDevice("camera"))}
      >
        {filming ? <Video aria-hidden="true" /> : <VideoOff aria-hidden="true" />}
        <ControlLabel
          long={filming ? lobby.cameraOff : lobby.cameraOn}
          short={lobby.short.camera}
        />
      </Button>
      <DevicesDialog />
      {agents && <AddAgentDialog testId="add-agent-button" look="plain" control />}
      <Button
        className="control"
        data-off={!conversation}
        data-testid="conversation-button"
        aria-pressed={conversation}
        onPress={onConversation}
      >
        <MessageSquareText aria-hidden="true" />
        <ControlLabel long={lobby.short.captions} short={lobby.short.captions} />
      </Button>
      <Button
        look="danger"
        className="control"
        data-testid="leave-button"
        onPress={() => client.leave()}
      >
        <PhoneOff aria-hidden="true" />
        <ControlLabel long={lobby.leave} short={lobby.leave} />
      </Button>
    </section>
  );
}
