import { useSession } from "../hooks/useSession";
import { texts } from "../texts";
import { ToastCard } from "./ToastCard";

export function Toasts() {
  const toasts = useSession((state) => state.toasts);
  return (
    <section className="toasts" aria-label={texts.notifications} aria-live="assertive">
      {toasts.map((toast) => (
        <ToastCard key={toast.id} toast={toast} />
      ))}
    </section>
  );
}
