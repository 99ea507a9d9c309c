import { useSession } from "../../hooks/useSession";
import { DeviceHelp } from "./DeviceHelp";
import { DeviceSelect } from "./DeviceSelect";
import { MicrophoneMeter } from "./MicrophoneMeter";

/** The microphone and its level; or why it cannot be used, and what else there is to choose. */
export function MicrophoneChoice() {
  const { problem, choices } = useSession((state) => state.microphone);
  return (
    <>
      {problem && <DeviceHelp kind="microphone" problem={problem} />}
      {(!problem || choices.length > 0) && <DeviceSelect kind="microphone" />}
      {!problem && <MicrophoneMeter />}
    </>
  );
}
