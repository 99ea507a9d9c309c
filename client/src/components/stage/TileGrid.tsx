import { useClient } from "../../hooks/useClient";
import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { AgentTile } from "../agents/AgentTile";
import { NoAgent } from "../agents/NoAgent";
import { PersonTile } from "../people/PersonTile";

const columns = (count: number) => (count <= 1 ? 1 : count <= 4 ? 2 : count <= 9 ? 3 : 4);

/** Everyone in the lobby: agents first, then the others, ourselves last. */
export function TileGrid() {
  const { options } = useClient();
  const order = useSession((state) => state.order);
  const participants = useSession((state) => state.participants);
  const self = useSession((state) => state.self);
  const all = order.flatMap((id) => participants[id] ?? []);
  const agents = all.filter(({ kind }) => kind === "agent");
  const others = all.filter(({ kind, id }) => kind === "human" && id !== self);
  const own = all.filter(({ id }) => id === self);
  const empty = agents.length === 0 && !options.embed;
  const count = all.length + (empty ? 1 : 0);
  return (
    <section className="tiles-area" aria-label={texts.lobby.participants}>
      <ul
        className="tiles"
        style={{
          "--columns": columns(count),
          "--rows": Math.ceil(count / columns(count)),
        }}
        data-count={count}
      >
        {empty && <NoAgent />}
        {agents.map((info) => (
          <AgentTile key={info.id} info={info} />
        ))}
        {[...others, ...own].map((info) => (
          <PersonTile key={info.id} info={info} isSelf={info.id === self} />
        ))}
      </ul>
    </section>
  );
}
