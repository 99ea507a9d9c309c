import { DoorOpen } from "lucide-react";
import { useClient } from "../../hooks/useClient";
import { useNoAnswer } from "../../hooks/useNoAnswer";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { Brand } from "../ui/Brand";
import { Button } from "../ui/Button";
import { Name } from "../ui/Name";

/** Shown while we wait for a host's answer, or while a reloaded page comes back. */
export function WaitingScreen({ phase }: { phase: "waiting" | "returning" }) {
  const client = useClient();
  const name = useSession((state) => state.lobby?.name ?? "");
  const unanswered = useNoAnswer();
  const words = texts[phase];
  return (
    <main className="screen centered">
      <div className="card end" data-testid={`${phase}-screen`}>
        <Brand />
        {name && (
          <p className="quiet small" data-testid="lobby-title">
            <Name of={name} />
          </p>
        )}
        <h1 className="with-icon">
          <DoorOpen aria-hidden="true" /> {words.title}
        </h1>
        <div className="progress" role="status">
          <span className="progress-bar" aria-hidden="true" />
          {unanswered ? texts.prejoin.waiting : words.hint}
        </div>
        <div className="actions">
          <Button autoFocus onPress={() => client.turnAround()} data-testid="turn-around-button">
            {words.cancel}
          </Button>
        </div>
      </div>
    </main>
  );
}
