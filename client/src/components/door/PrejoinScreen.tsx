import { Video, VideoOff } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { useNoAnswer } from "../../hooks/useNoAnswer";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { DeviceHelp } from "../devices/DeviceHelp";
import { DeviceSelect } from "../devices/DeviceSelect";
import { MicrophoneChoice } from "../devices/MicrophoneChoice";
import { Brand } from "../ui/Brand";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import { Name } from "../ui/Name";
import { CameraPreview } from "./CameraPreview";

/** The page before joining: the name, and whether the microphone works. */
export function PrejoinScreen() {
  const client = useClient();
  const lobby = useSession((state) => state.lobby);
  const lobbyId = useSession((state) => state.lobbyId) ?? "";
  const knock = useSession((state) => state.knock);
  const phase = useSession((state) => state.phase);
  const unanswered = useNoAnswer();
  const listening = useSession((state) => state.microphone.status === "problem");
  const camera = useSession((state) => state.camera);
  const [name, setName] = useState(client.state.name);
  const [nameless, setNameless] = useState(false);
  useEffect(() => {
    if (client.state.microphone.status === "off") void client.openDevice("microphone");
  }, [client]);

  const joining = phase === "joining";
  const join = (event: FormEvent) => {
    event.preventDefault();
    setNameless(name.trim() === "");
    if (name.trim()) client.join(name.trim());
  };

  return (
    <main className="screen centered">
      <form className="prejoin" onSubmit={join} noValidate>
        <header>
          <Brand />
        </header>
        <div className="card prejoin-card">
          <CameraPreview name={name} />
          <div className="stack">
            <div>
              <p className="quiet small">{texts.prejoin.into}</p>
              <h1 data-testid="lobby-title">
                <Name of={lobby?.name ?? texts.prejoin.unnamed(lobbyId)} />
              </h1>
            </div>
            <Field
              label={texts.prejoin.name}
              placeholder={texts.prejoin.namePlaceholder}
              value={name}
              onChange={setName}
              error={nameless && !name.trim() ? texts.prejoin.nameNeeded : ""}
              maxLength={40}
              autoFocus
              autoComplete="nickname"
              testId="name-input"
            />
            <MicrophoneChoice />
            <div className="camera-row">
              {camera.status === "on" && <DeviceSelect kind="camera" />}
              <Button
                look="quiet"
                data-testid="prejoin-camera-button"
                onPress={() =>
                  void (camera.status === "on" ? client.closeCamera() : client.openDevice("camera"))
                }
              >
                {camera.status === "on" ? <VideoOff /> : <Video />}
                {camera.status === "on" ? texts.prejoin.cameraOff : texts.prejoin.cameraOn}
              </Button>
            </div>
            {camera.problem && <DeviceHelp kind="camera" problem={camera.problem} />}
            <Button
              type="submit"
              look="primary"
              className="wide"
              busy={joining}
              data-testid="join-button"
            >
              {joining
                ? texts.prejoin.joining
                : listening
                  ? texts.prejoin.joinListening
                  : knock
                    ? texts.prejoin.knock
                    : texts.prejoin.join}
            </Button>
            {knock && !joining && <p className="quiet small">{texts.prejoin.knockHint}</p>}
            {joining && unanswered && (
              <p className="quiet small" role="status">
                {texts.prejoin.waiting}
              </p>
            )}
          </div>
        </div>
        <a className="quiet small" href="./">
          {texts.prejoin.other}
        </a>
      </form>
    </main>
  );
}
