import { X } from "lucide-react";
import { type ReactNode, type RefObject, use, useEffect } from "react";
import { Dialog, OverlayTriggerStateContext } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { useFocusReturn } from "../../hooks/useFocusReturn";
import { texts } from "../../texts";
import { Button } from "./Button";
import { Name } from "./Name";

interface SheetProps {
  title: string;
  /** The button that opens it, and has the focus again when it is closed. */
  opener: RefObject<HTMLButtonElement | null>;
  children: (close: () => void) => ReactNode;
}

/** A dialog in the middle of the page, or from below on a phone. */
export function Sheet({ opener, ...rest }: SheetProps) {
  return (
    <ModalOverlay className="overlay" isDismissable>
      <Modal className="sheet">
        <SheetDialog opener={opener} {...rest} />
      </Modal>
    </ModalOverlay>
  );
}

/** Close with Escape also where the key does not reach the dialog, because the focus is elsewhere: the
 * browser drops it when the element that has it goes from the page or is disabled. */
function useEscape(): void {
  const overlay = use(OverlayTriggerStateContext);
  useEffect(() => {
    // Events that the dialog has handled do not arrive here.
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing) overlay?.close();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [overlay]);
}

function SheetDialog({ title, opener, children }: SheetProps) {
  useFocusReturn(opener);
  useEscape();
  return (
    <Dialog className="dialog">
      {({ close }) => (
        <>
          <div className="dialog-head">
            <Heading slot="title">
              <Name of={title} />
            </Heading>
            <Button look="quiet" className="icon" aria-label={texts.close} onPress={close}>
              <X aria-hidden="true" />
            </Button>
          </div>
          {children(close)}
        </>
      )}
    </Dialog>
  );
}
