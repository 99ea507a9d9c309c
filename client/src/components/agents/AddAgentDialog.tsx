import { BotMessageSquare } from "lucide-react";
import { useRef } from "react";
import { DialogTrigger } from "react-aria-components/Dialog";
import { ADD_AGENT } from "../../hooks/useFocusReturn";
import { texts } from "../../texts";
import { ControlLabel } from "../stage/ControlLabel";
import { Button, type ButtonProps } from "../ui/Button";
import { Sheet } from "../ui/Sheet";
import { AddAgentForm } from "./AddAgentForm";

interface AddAgentDialogProps {
  testId: string;
  look: NonNullable<ButtonProps["look"]>;
  /** Shown as one of the controls at the bottom. */
  control?: boolean;
}

/** The button that opens "Add an agent", and the dialog itself. */
export function AddAgentDialog({ testId, look, control = false }: AddAgentDialogProps) {
  const button = useRef<HTMLButtonElement>(null);
  return (
    <DialogTrigger>
      <Button
        {...(control ? { id: ADD_AGENT } : {})}
        ref={button}
        look={look}
        className={control ? "control" : ""}
        data-testid={testId}
      >
        <BotMessageSquare aria-hidden="true" />
        {control ? (
          <ControlLabel long={texts.lobby.addAgent} short={texts.lobby.short.agent} />
        ) : (
          texts.lobby.addAgent
        )}
      </Button>
      <Sheet title={texts.addAgent.title} opener={button}>
        {(close) => <AddAgentForm onDone={close} />}
      </Sheet>
    </DialogTrigger>
  );
}
