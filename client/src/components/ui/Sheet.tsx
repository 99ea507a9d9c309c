import { X } from "lucide-react";
import type { ReactNode, RefObject } from "react";
import { Dialog } from "react-aria-components/Dialog";
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

function SheetDialog({ title, opener, children }: SheetProps) {
  useFocusReturn(opener);
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
