import { useSession } from "../../hooks/useSession";
import { texts } from "../../texts";
import { ToastCard } from "./ToastCard";

export function Toasts() {
  const toasts = useSession((state) => state.toasts);
  return (
    // The attribute keeps toasts reachable and announced while a dialog is open.
    <section
      className="toasts"
      aria-label={texts.notifications}
      aria-live="assertive"
      data-react-aria-top-layer
    >
      {toasts.map((toast) => (
        <ToastCard key={toast.id} toast={toast} />
      ))}
    </section>
  );
}
