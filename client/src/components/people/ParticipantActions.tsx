import {
  Ban,
  Crown,
  Flag,
  type LucideIcon,
  MicOff,
  UserMinus,
  Volume2,
  VolumeX,
} from "lucide-react";
import { useState } from "react";
import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import type { ParticipantInfo, Visitor } from "../../protocol/messages";
import { isHost, isOwner, mayChangeAgents } from "../../session/state";
import { texts } from "../../texts";
import { Confirm } from "../ui/Confirm";
import { ReportForm } from "./ReportForm";

/** Who it is about: somebody here, or a visitor at the door. */
export type Someone =
  | Pick<ParticipantInfo, "id" | "name" | "kind" | "owner" | "muted">
  | (Visitor & { kind: "visitor"; owner?: undefined; muted?: undefined });

interface ParticipantActionsProps {
  info: Someone;
  onDone: () => void;
}

type Step = "menu" | "kick" | "ban" | "report";

/** What we may do about somebody. Actions that cannot be undone ask for confirmation. */
export function ParticipantActions({ info, onDone }: ParticipantActionsProps) {
  const { moderator } = useClient();
  const host = useSession(isHost);
  const owner = useSession(isOwner);
  const agents = useSession(mayChangeAgents);
  const [step, setStep] = useState<Step>("menu");
  const words = texts.moderation;
  const banHint = info.kind === "visitor" ? words.banVisitorHint : words.banHint;
  const mayExpel = owner || (host && !info.owner);
  const back = () => setStep("menu");
  const done = (act: () => void) => () => {
    act();
    onDone();
  };

  if (step === "report") return <ReportForm info={info} onBack={back} onDone={onDone} />;
  if (step === "kick" || step === "ban") {
    const kick = step === "kick";
    return (
      <Confirm
        question={kick ? words.kickSure(info.name) : words.banSure(info.name)}
        hint={kick ? words.kickHint : owner ? banHint : `${banHint} ${words.forNow}`}
        action={kick ? words.kickDo : words.ban}
        onBack={back}
        onConfirm={done(() => moderator.act(step, info.id))}
      />
    );
  }
  const muted = info.muted ?? false;
  return (
    <ul className="actions-list">
      {info.kind === "agent" && agents && (
        <>
          <Action
            icon={muted ? Volume2 : VolumeX}
            label={muted ? words.unmuteAgent : words.muteAgent}
            hint={muted ? "" : words.muteAgentHint}
            testId={`mute-agent-${info.id}`}
            onPress={done(() => moderator.muteAgent(info.id, !muted))}
          />
          <Action
            icon={UserMinus}
            label={words.removeAgent}
            testId={`remove-${info.id}`}
            onPress={done(() => moderator.removeAgent(info.id))}
          />
        </>
      )}
      {info.kind === "human" && host && (
        <>
          {!muted && (
            <Action
              icon={MicOff}
              label={words.askMute}
              testId={`ask-mute-${info.id}`}
              onPress={done(() => moderator.act("mute_request", info.id))}
            />
          )}
          {owner && !info.owner && (
            <Action
              icon={Crown}
              label={words.makeHost}
              testId={`make-host-${info.id}`}
              onPress={done(() => moderator.act("make_host", info.id))}
            />
          )}
          {mayExpel && (
            <Action
              icon={UserMinus}
              label={words.kick}
              testId={`kick-${info.id}`}
              onPress={() => setStep("kick")}
            />
          )}
        </>
      )}
      {info.kind !== "agent" && mayExpel && (
        <Action
          icon={Ban}
          label={words.ban}
          testId={`ban-${info.id}`}
          onPress={() => setStep("ban")}
        />
      )}
      <Action
        icon={Flag}
        label={words.report}
        testId={`report-${info.id}`}
        onPress={() => setStep("report")}
      />
    </ul>
  );
}

interface ActionProps {
  icon: LucideIcon;
  label: string;
  hint?: string;
  testId: string;
  onPress: () => void;
}

function Action({ icon: Icon, label, hint = "", testId, onPress }: ActionProps) {
  return (
    <li>
      <button type="button" onClick={onPress} data-testid={testId}>
        <Icon aria-hidden="true" />
        <span>
          {label}
          {hint && <span className="quiet small">{hint}</span>}
        </span>
      </button>
    </li>
  );
}
