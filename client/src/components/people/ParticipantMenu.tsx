import { EllipsisVertical } from "lucide-react";
import { useRef } from "react";
import { DialogTrigger } from "react-aria-components/Dialog";
import { texts } from "../../texts";
import { Button } from "../ui/Button";
import { Sheet } from "../ui/Sheet";
import { ParticipantActions, type Someone } from "./ParticipantActions";

/** The button that opens the actions for a person, an agent or a visitor. */
export function ParticipantMenu({ info }: { info: Someone }) {
  const button = useRef<HTMLButtonElement>(null);
  return (
    <DialogTrigger>
      <Button
        ref={button}
        look="quiet"
        className="icon tile-menu"
        aria-label={texts.moderation.menu(info.name)}
        data-testid={`menu-${info.id}`}
      >
        <EllipsisVertical aria-hidden="true" />
      </Button>
      <Sheet title={info.name} opener={button}>
        {(close) => <ParticipantActions info={info} onDone={close} />}
      </Sheet>
    </DialogTrigger>
  );
}
