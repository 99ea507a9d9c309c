import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import type { Phase } from "../../session/state";
import { WRONG_ORIGIN } from "../../signaling/endpoints";
import { texts } from "../../texts";
import { Brand } from "../ui/Brand";
import { Button } from "../ui/Button";

type EndPhase = Exclude<Phase, "start" | "prejoin" | "joining" | "waiting" | "returning" | "lobby">;

/** Why the stay is over, and what to do next. */
export function EndScreen({ phase }: { phase: EndPhase }) {
  const client = useClient();
  const reason = useSession((state) => state.reason);
  const limit = useSession((state) => state.limit);
  const lobbyId = useSession((state) => state.lobbyId);
  const again = () => client.visit(lobbyId);
  const reload = () => location.reload();
  const home = () => location.assign("./");
  const { end } = texts;
  const missing = reason === "missing";
  const kicked = reason === "kicked" || reason === "removed";
  const said: Record<EndPhase, [title: string, hint: string, action: string, act: () => void]> = {
    left: [end.left, end.leftHint, end.rejoin, again],
    gone: missing
      ? [end.missing, end.missingHint, texts.prejoin.tryAgain, again]
      : reason === "banned"
        ? [end.banned, end.bannedHint, end.home, home]
        : kicked
          ? [end.kicked, end.kickedHint, end.rejoin, again]
          : [end.gone, reason || end.goneHint, end.rejoin, again],
    full: [end.full, end.fullHint(limit), end.rejoin, again],
    refused:
      reason === WRONG_ORIGIN
        ? [end.wrongAddress, end.wrongAddressHint(location.origin), end.reload, reload]
        : [end.refused, end.refusedHint, end.reload, reload],
    expired: [end.expired, end.expiredHint, end.reload, reload],
    elsewhere: [end.elsewhere, end.elsewhereHint, end.useHere, again],
  };
  const [title, hint, action, act] = said[phase];
  return (
    <main className="screen centered">
      <div className="card end" data-testid={`end-${phase}`} data-reason={reason}>
        <Brand />
        <h1>{title}</h1>
        <p className="quiet">{hint}</p>
        <div className="actions">
          <Button look="primary" autoFocus onPress={act} data-testid="again-button">
            {action}
          </Button>
          {action !== end.home && (
            <a className="button quiet" href="./">
              {end.home}
            </a>
          )}
        </div>
      </div>
    </main>
  );
}
