import { Check, CircleAlert, X } from "lucide-react";
import { useEffect } from "react";
import { useClient } from "../../hooks/useClient";
import type { Toast } from "../../session/state";
import { texts } from "../../texts";
import { Button } from "../ui/Button";

/** Long enough to read what happened and what to do. */
const SHOWN_MS = { error: 12_000, info: 6_000 };

export function ToastCard({ toast }: { toast: Toast }) {
  const client = useClient();
  useEffect(() => {
    const timer = setTimeout(() => client.dismiss(toast.id), SHOWN_MS[toast.level]);
    return () => clearTimeout(timer);
  }, [client, toast]);
  return (
    <div className="toast" data-level={toast.level} data-testid="toast" data-code={toast.code}>
      {toast.level === "error" ? <CircleAlert aria-hidden="true" /> : <Check aria-hidden="true" />}
      <div>
        <strong>{toast.message}</strong>
        {toast.hint && <p>{toast.hint}</p>}
      </div>
      <Button
        look="quiet"
        className="icon"
        aria-label={texts.dismiss}
        onPress={() => client.dismiss(toast.id)}
      >
        <X aria-hidden="true" />
      </Button>
    </div>
  );
}
