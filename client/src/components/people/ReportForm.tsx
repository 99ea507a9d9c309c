import { type FormEvent, useState } from "react";
import { useClient } from "../../hooks/useClient";
import type { ParticipantInfo } from "../../protocol/messages";
import { texts } from "../../texts";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";

interface ReportFormProps {
  info: Pick<ParticipantInfo, "id">;
  onBack: () => void;
  onDone: () => void;
}

/** Tell whoever runs the server about someone. */
export function ReportForm({ info, onBack, onDone }: ReportFormProps) {
  const { moderator } = useClient();
  const [reason, setReason] = useState("");
  const words = texts.moderation;
  const send = (event: FormEvent) => {
    event.preventDefault();
    moderator.act("report", info.id, reason.trim());
    onDone();
  };
  return (
    <form className="stack" onSubmit={send}>
      <p>
        <strong>{words.report}</strong>
      </p>
      <p className="quiet">{words.reportHint}</p>
      <Field
        label={words.reportLabel}
        value={reason}
        onChange={setReason}
        maxLength={500}
        autoFocus
        autoComplete="off"
        testId="report-reason"
      />
      <div className="actions">
        <Button type="submit" look="primary" data-testid="report-send-button">
          {words.reportDo}
        </Button>
        <Button look="quiet" onPress={onBack}>
          {words.back}
        </Button>
      </div>
    </form>
  );
}
