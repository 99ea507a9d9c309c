import { useLevel, useLevels } from "../../hooks/useLevel";
import { useSession } from "../../hooks/useSession";
import { OWN_LEVEL } from "../../session/media/ownMedia";
import { texts } from "../../texts";

/** How loud our own microphone is. */
export function MicrophoneMeter() {
  const { value } = useLevel(OWN_LEVEL);
  const asleep = useLevels((levels) => levels.asleep);
  const asking = useSession((state) => state.microphone.status === "asking");
  return (
    <div className="meter-box">
      <div className="meter" style={{ "--level": value }}>
        <meter
          className="visually-hidden"
          aria-label={texts.prejoin.level}
          value={value}
          data-testid="microphone-level"
        />
      </div>
      <p className="quiet small">
        {asking
          ? texts.prejoin.asking
          : asleep
            ? texts.prejoin.levelAsleep
            : texts.prejoin.levelHint}
      </p>
    </div>
  );
}
