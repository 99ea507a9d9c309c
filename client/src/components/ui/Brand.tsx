import { texts } from "../../texts";

/** The mark and the name. */
export function Brand() {
  return (
    <span className="brand">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="9" />
        <path d="M8 13v6M13.3 9v14M18.7 12v8M24 14.5v3" />
      </svg>
      {texts.app}
    </span>
  );
}
