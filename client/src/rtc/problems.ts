/** Why a microphone or camera could not be opened, in terms that a person can act upon. */
export type DeviceProblemKind =
  | "insecure"
  | "unsupported"
  | "denied"
  | "blocked-by-frame"
  | "missing"
  | "busy"
  | "unknown";

export class DeviceProblem extends Error {
  readonly kind: DeviceProblemKind;

  constructor(kind: DeviceProblemKind, cause?: unknown) {
    super(kind, cause === undefined ? undefined : { cause });
    this.name = "DeviceProblem";
    this.kind = kind;
  }
}

/** Sort what getUserMedia throws (Media Capture and Streams, section 10.2). */
export function deviceProblem(error: unknown, framed: boolean): DeviceProblem {
  if (error instanceof DeviceProblem) return error;
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      return new DeviceProblem(framed ? "blocked-by-frame" : "denied", error);
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return new DeviceProblem("missing", error);
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return new DeviceProblem("busy", error);
    default:
      return new DeviceProblem("unknown", error);
  }
}
