import { X } from "lucide-react";
import type { ReactNode } from "react";
import { Dialog } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { texts } from "../texts";
import { Button } from "./Button";

interface SheetProps {
  title: string;
  children: (close: () => void) => ReactNode;
}

/** A dialog in the middle of the page, or from below on a phone. */
export function Sheet({ title, children }: SheetProps) {
  return (
    <ModalOverlay className="overlay" isDismissable>
      <Modal className="sheet">
        <Dialog className="dialog">
          {({ close }) => (
            <>
              <div className="dialog-head">
                <Heading slot="title">{title}</Heading>
                <Button look="quiet" className="icon" aria-label={texts.close} onPress={close}>
                  <X aria-hidden="true" />
                </Button>
              </div>
              {children(close)}
            </>
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
