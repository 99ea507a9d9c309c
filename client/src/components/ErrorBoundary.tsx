import { Component, type ReactNode } from "react";
import { texts } from "../texts";

/** What is shown when rendering the page fails. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="screen centered" role="alert">
        <div className="card end">
          <h1>{texts.errors.crashed}</h1>
          <p className="quiet">{texts.errors.crashedHint}</p>
          <button type="button" className="button primary" onClick={() => location.reload()}>
            {texts.end.reload}
          </button>
        </div>
      </main>
    );
  }
}
