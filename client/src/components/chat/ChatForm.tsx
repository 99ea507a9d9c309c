import { SendHorizontal } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useClient } from "../../hooks/useClient";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

/** Write to everyone, for those who cannot or will not speak. */
export function ChatForm() {
  const client = useClient();
  const [text, setText] = useState("");
  const send = (event: FormEvent) => {
    event.preventDefault();
    client.chat.send(text);
    setText("");
  };
  return (
    <form className="chat-form" onSubmit={send}>
      <input
        value={text}
        onChange={(event) => setText(event.target.value)}
        aria-label={texts.captions.chat}
        placeholder={texts.captions.chatPlaceholder}
        maxLength={4000}
        autoComplete="off"
        data-testid="chat-input"
      />
      <Button
        type="submit"
        look="quiet"
        className="icon"
        aria-label={texts.captions.send}
        isDisabled={!text.trim()}
        data-testid="chat-send-button"
      >
        <SendHorizontal aria-hidden="true" />
      </Button>
    </form>
  );
}
