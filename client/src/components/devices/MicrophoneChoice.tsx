import { useSession } from "../../hooks/useSession";
import { DeviceHelp } from "./DeviceHelp";
import { DeviceSelect } from "./DeviceSelect";
import { MicrophoneMeter } from "./MicrophoneMeter";

/** Which microphone and how loud it is; or why it cannot be used, and which others there are. */
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
