import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { STAGE } from "../../hooks/useFocusReturn";
import { useSession } from "../../hooks/useSession";
import type { Visitor } from "../../protocol/messages";
import { isHost } from "../../session/state";
import { texts } from "../../texts";
import { ParticipantMenu } from "../people/ParticipantMenu";
import { Button } from "../ui/Button";
import { Name } from "../ui/Name";

/** Who waits at the door, for hosts to let in. */
export function KnockList() {
  const visitors = useSession((state) => state.visitors);
  const host = useSession(isHost);
  const list = useRef<HTMLUListElement>(null);
  const lost = useRef(false);
  const waiting = host ? visitors : [];

  // The row with the focus is gone. Continue with the next one.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list is what changes the page
  useEffect(() => {
    if (!lost.current) return;
    lost.current = false;
    const next = list.current?.querySelector("button") ?? document.getElementById(STAGE);
    next?.focus();
  }, [waiting]);

  return (
    <>
      <KnockNews visitors={waiting} />
      {waiting.length > 0 && (
        <section className="banner knocks" aria-label={texts.door.title} data-testid="knock-list">
          <strong>{texts.door.waiting(waiting.length)}</strong>
          <ul ref={list}>
            {waiting.map((visitor) => (
              <Knock key={visitor.id} visitor={visitor} lost={lost} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

interface KnockProps {
  visitor: Visitor;
  /** Becomes true when the row disappears with the focus in it. */
  lost: RefObject<boolean>;
}

function Knock({ visitor: { id, name }, lost }: KnockProps) {
  const { moderator } = useClient();
  const row = useRef<HTMLLIElement>(null);
  // A layout effect, because its cleanup runs while the row is still on the page.
  useLayoutEffect(() => {
    const { current } = row;
    return () => {
      if (current?.contains(document.activeElement)) lost.current = true;
    };
  }, [lost]);
  return (
    <li ref={row} data-testid={`knock-${id}`} data-name={name}>
      <span className="who">
        <Name of={name} />
      </span>
      <Button
        look="primary"
        aria-label={texts.door.admitName(name)}
        onPress={() => moderator.act("admit", id)}
        data-testid={`admit-${id}`}
      >
        {texts.door.admit}
      </Button>
      <Button
        aria-label={texts.door.denyName(name)}
        onPress={() => moderator.act("deny", id)}
        data-testid={`deny-${id}`}
      >
        {texts.door.deny}
      </Button>
      <ParticipantMenu info={{ id, name, kind: "visitor" }} />
    </li>
  );
}

/** Announces new visitors at the door, and none twice. */
function KnockNews({ visitors }: { visitors: readonly Visitor[] }) {
  const known = useRef<ReadonlySet<string>>(new Set());
  const [news, setNews] = useState("");
  useEffect(() => {
    const come = visitors.filter(({ id }) => !known.current.has(id));
    known.current = new Set(visitors.map(({ id }) => id));
    if (come.length > 0) setNews(come.map(({ name }) => texts.door.knocks(name)).join(". "));
    else if (visitors.length === 0) setNews("");
  }, [visitors]);
  return (
    <p className="visually-hidden" role="status" data-testid="knock-news">
      {news}
    </p>
  );
}
