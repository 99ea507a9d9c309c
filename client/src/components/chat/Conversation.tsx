import { ArrowDown } from "lucide-react";
import { useSession } from "../../hooks/useSession";
import { useStickToEnd } from "../../hooks/useStickToEnd";
import { texts } from "../../texts";
import { Button } from "../ui/Button";
import { ChatForm } from "./ChatForm";
import { LiveRegion } from "./LiveRegion";
import { PendingRow } from "./PendingRow";
import { TimelineRow } from "./TimelineRow";

/** What is said, as live captions, with the chat between them. */
export function Conversation() {
  const timeline = useSession((state) => state.timeline);
  const pending = useSession((state) => state.pendingChat);
  const { list, away, toEnd } = useStickToEnd<HTMLOListElement>(timeline, pending);
  // The button disappears, but the focus must not.
  const jump = () => {
    list.current?.focus({ preventScroll: true });
    toEnd();
  };
  return (
    <section className="conversation" aria-label={texts.captions.title}>
      <h2>{texts.captions.title}</h2>
      {timeline.length + pending.length === 0 && (
        <div className="nothing">
          <p>{texts.captions.empty}</p>
          <p className="quiet small">{texts.captions.emptyHint}</p>
        </div>
      )}
      <ol
        ref={list}
        className="timeline"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls what has the focus
        tabIndex={0}
        aria-label={texts.captions.title}
        data-testid="captions"
      >
        {timeline.map((entry) => (
          <TimelineRow key={entry.key} entry={entry} />
        ))}
        {pending.map((line) => (
          <PendingRow key={line.id} line={line} />
        ))}
      </ol>
      {away && (
        <Button className="to-end" onPress={jump}>
          <ArrowDown aria-hidden="true" /> {texts.captions.newest}
        </Button>
      )}
      <LiveRegion timeline={timeline} />
      <ChatForm />
    </section>
  );
}
