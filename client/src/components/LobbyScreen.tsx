import { useState } from "react";
import { useClient } from "../hooks/useClient";
import { Banners } from "./Banners";
import { ControlBar } from "./ControlBar";
import { Conversation } from "./Conversation";
import { LobbyHeader } from "./LobbyHeader";
import { TileGrid } from "./TileGrid";
import { Voices } from "./Voices";

/** The room itself: who is here, what is said, and the controls. */
export function LobbyScreen() {
  const { options } = useClient();
  const [conversation, setConversation] = useState(true);
  return (
    <div className="screen lobby" data-testid="lobby" data-conversation={conversation}>
      {!options.embed && <LobbyHeader />}
      <Banners />
      <main className="stage">
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
