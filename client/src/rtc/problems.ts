/** Why a microphone or camera could not be opened, in terms that a person can act upon. */
export type DeviceProblemKind =
  | "insecure"
  | "unsupported"
  /** The person closed the browser's question, or said no for this once. */
  | "dismissed"
  /** The browser blocks it for this site. */
  | "denied"
  | "denied-by-system"
  | "blocked-by-frame"
  | "missing"
  | "unplugged"
  | "busy"
  /** It cannot do what is asked of it. */
  | "unfit"
  | "unknown";

export class DeviceProblem extends Error {
  readonly kind: DeviceProblemKind;

  constructor(kind: DeviceProblemKind, cause?: unknown) {
    super(kind, cause === undefined ? undefined : { cause });
    this.name = "DeviceProblem";
    this.kind = kind;
  }
}

/** Sort what getUserMedia throws (Media Capture and Streams, section 10.2).
 *
 * `permission` is what the browser says of this site, if it does: who has allowed the device and
 * still does not get it is held up by the system below. */
export function deviceProblem(
  error: unknown,
  framed = false,
  permission: PermissionState | null = null,
): DeviceProblem {
  if (error instanceof DeviceProblem) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: "" };
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      if (/system/i.test(message)) return new DeviceProblem("denied-by-system", error);
      if (/dismiss/i.test(message)) return new DeviceProblem("dismissed", error);
      if (framed) return new DeviceProblem("blocked-by-frame", error);
      if (permission === "granted") return new DeviceProblem("denied-by-system", error);
      return new DeviceProblem(permission === "prompt" ? "dismissed" : "denied", error);
    case "NotFoundError":
    case "DevicesNotFoundError":
      return new DeviceProblem("missing", error);
    case "OverconstrainedError": {
      // A device that was asked for by its id and is not there is told in this way.
      const { constraint } = error as OverconstrainedError;
      return new DeviceProblem(
        constraint && constraint !== "deviceId" ? "unfit" : "missing",
        error,
      );
    }
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return new DeviceProblem("busy", error);
    default:
      return new DeviceProblem("unknown", error);
  }
}
