import { createRoot } from "react-dom/client";
import { App } from "./components/App";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { ClientContext } from "./hooks/ClientContext";
import { readOptions } from "./options";
import { Client } from "./session/client";
import "./styles/index.css";

const client = new Client(readOptions(location.search));
void client.start();
window.addEventListener("pagehide", () => client.unload());
window.addEventListener("popstate", () => location.reload());
// A page that comes back from the browser's cache has let go of everything.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
document.documentElement.dataset.embed = String(client.options.embed);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <ErrorBoundary>
      <ClientContext value={client}>
        <App />
      </ClientContext>
    </ErrorBoundary>,
  );
}
