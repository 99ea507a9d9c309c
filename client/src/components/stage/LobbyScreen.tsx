import { useEffect, useRef, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { STAGE } from "../../hooks/useFocusReturn";
import { useSession } from "../../hooks/useSession";
import { Conversation } from "../chat/Conversation";
import { Banners } from "../notices/Banners";
import { ControlBar } from "./ControlBar";
import { LobbyHeader } from "./LobbyHeader";
import { TileGrid } from "./TileGrid";
import { Voices } from "./Voices";

/** The lobby itself: the participants, the conversation and the controls. */
export function LobbyScreen() {
  const { options } = useClient();
  const name = useSession((state) => state.lobby?.name ?? state.lobbyId ?? "");
  const [conversation, setConversation] = useState(true);
  const stage = useRef<HTMLElement>(null);
  // The join button is gone. Move the focus here, which also announces the lobby.
  useEffect(() => stage.current?.focus({ preventScroll: true }), []);
  return (
    <div className="screen lobby" data-testid="lobby" data-conversation={conversation}>
      {!options.embed && <LobbyHeader />}
      <Banners />
      <main ref={stage} id={STAGE} className="stage" tabIndex={-1} aria-label={name}>
        <TileGrid />
        {conversation && <Conversation />}
      </main>
      <ControlBar
        conversation={conversation}
        onConversation={() => setConversation((shown) => !shown)}
      />
      <Voices />
    </div>
  );
}
